"""Problems that would stop a run late are told before any work: start, classifier, FID weights, device, table, disk."""

import json
import os
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import TimesformerConfig, TimesformerForVideoClassification

from flows.commands.cli import cli
from flows.wiring.checks import problems_of
from flows.wiring.disk_room import no_room
from flows.wiring.job import make_job
from flows.wiring.making import plan
from flows.wiring.request import Request
from modeling.runs.saving_time import SD_UNET_BYTES
from tests.support.tiny_pipeline import tiny_pipeline

TABLE = "video,start_s,stop_s,instruction\nv,0,1,take cup\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a table, a folder of videos, a start and two classifiers in the hub's form."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "actions.csv").write_text(TABLE)
    (folder / "videos").mkdir()
    tiny_pipeline().save_pretrained(folder / "start")
    (folder / "bare").mkdir()
    (folder / "bare" / "model_index.json").write_text("{}")
    for name, frames in (("classifier", 8), ("four_frames", 4)):
        config = TimesformerConfig(
            image_size=32,
            patch_size=16,
            num_frames=frames,
            hidden_size=64,
            num_hidden_layers=1,
            num_attention_heads=1,
            intermediate_size=64,
        )
        model = TimesformerForVideoClassification(config)
        model.config.save_pretrained(folder / name)
        torch.save(model.state_dict(), folder / name / "pytorch_model.bin")
    return folder


def problems(
    home: Path, *, start: str | None = None, device: str = "cpu", editors: tuple[str, ...] = (), **settings
) -> list[str]:
    """Return the messages for a job on the table. `a__b` stands for the setting a.b."""
    named = {"editor.size_px": 16} | {name.replace("__", "."): value for name, value in settings.items()}
    request = Request(
        preset="table",
        annotations=str(home / "actions.csv"),
        videos=str(home / "videos"),
        workspace=str(home / "workspace"),
        start=start or str(home / "start"),
        device=device,
        editors=editors,
        settings=named,
    )
    job = make_job(request)
    return [problem.message for problem in problems_of(job, plan(job))]


def test_a_sound_job_has_no_problem(home: Path) -> None:
    assert problems(home) == []


def test_a_hub_like_classifier_with_a_bin_alone_is_sound(home: Path) -> None:
    assert problems(home, classifier__start=str(home / "classifier"), classifier__size_px=32) == []


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"classifier__start": "no/where/at/all"}, "no/where/at/all"),
        ({"classifier__start": "{home}/four_frames", "classifier__size_px": 32}, "4 frames"),
        ({"classifier__start": "{home}/classifier", "classifier__size_px": 224}, "classifier.size_px"),
        ({"scores__fid_features": "inception"}, "scores.fid_weights"),
        ({"scores__fid_features": "inception", "scores__fid_weights": "{home}/none.pth"}, "none.pth"),
        ({"editor__size_px": 17}, "multiple of"),
        ({"start": "no/where/at/all"}, "no/where/at/all"),
        ({"device": "cuda:77"}, "cuda:77"),
    ],
)
def test_each_problem_is_one_line_that_names_it(settings: dict, expected: str, home: Path) -> None:
    filled = {name: value.format(home=home) if isinstance(value, str) else value for name, value in settings.items()}
    try:
        (message,) = problems(home, **filled)
    except ValueError as error:  # from make_job, which is just as early
        message = str(error)
    assert expected in message
    assert "\n" not in message


def test_a_start_with_old_weight_files_alone_is_refused_with_the_way_out(home: Path, tmp_path: Path) -> None:
    tiny_pipeline().save_pretrained(tmp_path / "old")
    (tmp_path / "old" / "unet" / "diffusion_pytorch_model.safetensors").rename(
        tmp_path / "old" / "unet" / "diffusion_pytorch_model.bin"
    )
    (message,) = problems(home, start=str(tmp_path / "old"))
    assert "unet/ has only diffusion_pytorch_model.bin" in message
    assert "safe_serialization=True" in message


def test_an_inpainting_unet_is_no_start(home: Path, tmp_path: Path) -> None:
    tiny_pipeline().save_pretrained(tmp_path / "nine")
    path = tmp_path / "nine" / "unet" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": 9}))
    (message,) = problems(home, start=str(tmp_path / "nine"))
    assert "takes 9 channels" in message


def test_a_table_without_its_columns_is_said(home: Path, tmp_path: Path) -> None:
    (tmp_path / "actions.csv").write_text("film,from\na,1\n")
    request = Request(
        preset="table",
        annotations=str(tmp_path / "actions.csv"),
        videos=str(home / "videos"),
        start=str(home / "start"),
        device="cpu",
        workspace=str(tmp_path / "workspace"),
        settings={"editor.size_px": 16},
    )
    job = make_job(request)
    (problem,) = problems_of(job, plan(job))
    assert "actions.csv" in problem.message
    assert not problem.is_elsewhere


def test_a_hub_that_gives_no_answer_is_said_and_the_plan_still_stands(home: Path, monkeypatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.chdir(home)
    arguments = [
        "run",
        "--preset",
        "table",
        "--annotations",
        str(home / "actions.csv"),
        "--videos",
        str(home / "videos"),
    ]
    arguments += [
        "--workspace",
        str(home / "workspace"),
        "--start",
        "owner/no-such-model",
        "--plan",
        "--until",
        "editor",
    ]
    result = CliRunner().invoke(cli, arguments)
    assert "would fail: --start owner/no-such-model" in result.stderr
    assert result.exit_code == 0
    arguments.remove("--plan")
    result = CliRunner().invoke(cli, arguments)
    assert "owner/no-such-model" in str(result.exception)
    assert not os.path.exists(home / "workspace" / "segments")


def test_too_little_room_is_said_with_both_figures() -> None:
    message = no_room("workspace", free=9 * 2**30, weights=SD_UNET_BYTES, num_editors=2)
    assert "9.0 GiB are free" in message
    assert "51.3 GiB at least (checkpoints and 2 editors)" in message
    assert no_room("workspace", free=90 * 2**30, weights=SD_UNET_BYTES, num_editors=2) == ""


@pytest.mark.parametrize(
    ("text_start", "expected"),
    [
        ("no/where/at/all", "text_editors.start 'no/where/at/all'"),
        ("{home}/start", "takes 8 channels, and --editors want 4"),
        ("{home}/bare", "unet/ has no weights"),
    ],
)
def test_a_model_that_the_text_to_image_methods_cannot_use_is_said_before_any_work(
    text_start: str, expected: str, home: Path
) -> None:
    filled = text_start.format(home=home)
    try:
        (message,) = problems(home, editors=("masactrl",), text_editors__start=filled)
    except ValueError as error:  # from the plan, which is just as early
        message = str(error)
    assert expected in message
    assert "\n" not in message
    assert problems(home, text_editors__start=filled) == [], "nobody asked for these methods"


def test_the_plan_says_what_imagic_costs_and_limit_is_for_these_methods_alone(tmp_path: Path) -> None:
    plan_only = ["demo", "--workspace", str(tmp_path / "workspace"), "--plan"]
    told = CliRunner().invoke(cli, [*plan_only, "--editors", "all", "--limit", "2"])
    assert told.exit_code == 0, told.output
    assert "imagic tunes the model for 16 steps for each of 2 test pictures" in told.output
    assert "U-Net rows for one test picture and seed: imagic 20 and 16 of training" in told.output
    assert "for every test picture" in CliRunner().invoke(cli, [*plan_only, "--editors", "imagic"]).output
    assert "imagic tunes" not in CliRunner().invoke(cli, [*plan_only, "--editors", "masactrl"]).output
    alone = CliRunner().invoke(cli, [*plan_only, "--limit", "2"])
    assert alone.exit_code == 2
    assert "--editors" in alone.stderr


def test_a_text_to_image_start_is_no_baseline_and_is_trained_from_when_that_is_left_out(
    home: Path, tmp_path: Path
) -> None:
    tiny_pipeline(in_channels=4).save_pretrained(tmp_path / "four")
    (message,) = problems(home, start=str(tmp_path / "four"))
    assert "is text-to-image: its U-Net takes no picture" in message
    assert "untouched_start=false" in message
    assert problems(home, start=str(tmp_path / "four"), untouched_start=False) == []


@pytest.mark.parametrize(
    ("is_wanted", "labels"), [(True, {"demo-editaction", "demo-start"}), (False, {"demo-editaction"})]
)
def test_the_untouched_start_can_be_left_out_of_edits_and_measurements(
    is_wanted: bool, labels: set[str], tmp_path: Path
) -> None:
    settings = {"untouched_start": is_wanted}
    request = Request(
        preset="demo", settings=settings, measure=("told_apart", "forgetting"), workspace=str(tmp_path / "workspace")
    )
    steps = plan(make_job(request))
    assert {step.label for step in steps if step.stage == "edits"} == labels
    for stage in ("told_apart", "forgetting"):
        assert len([step for step in steps if step.stage == stage]) == len(labels), stage
