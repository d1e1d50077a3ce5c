"""Presets have the paper's numbers. Single settings can be changed, and wrong ones are refused in words."""

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from flows.wiring.job import make_job
from flows.wiring.making import run_job
from flows.wiring.outside_inputs import outside_start
from flows.wiring.presets import PRESETS, STARTING_EDITOR, picture_side, preset, with_start
from flows.wiring.request import Request
from flows.wiring.settings import dotted_settings, parse_seeds, parse_settings, with_settings
from modeling.presets import (
    LAMBDA_GRID,
    LAMBDA_GRID_DECIMAL,
    ablations,
    editaction,
    fine_tuned,
    method,
    method_names,
    safe,
)
from tasks.config import RunConfig


@pytest.mark.parametrize("name", ["lc", "hc"])
def test_the_papers_presets_carry_its_stated_numbers(name: str) -> None:
    config = preset(name)
    training, sampling = config.editor, config.edits.sampling
    assert (training.batch_size, training.num_steps, training.learning_rate, training.size_px) == (
        64,
        10_000,
        1e-4,
        256,
    )
    assert (sampling.size_px, sampling.num_steps, sampling.image_guidance, sampling.text_guidance) == (
        512,
        100,
        1.0,
        7.5,
    )
    assert len(config.edits.seeds) == 3
    assert config.splits.num_test == 500
    assert config.splits.num_long_distance == (100 if name == "hc" else 0)
    assert config.start == "timbrooks/instruct-pix2pix"
    assert training.objective.freeze == "attn2"


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_labels_its_artifacts_with_its_own_name(name: str) -> None:
    assert preset(name).preset == name


def test_a_dotted_setting_changes_that_value_and_nothing_else() -> None:
    before = preset("demo")
    after = with_settings(before, {"editor.objective.lambda_action": 1, "edits.seeds": [4, 5]})
    assert after.editor.objective.lambda_action == 1.0
    assert after.edits.seeds == (4, 5)
    changed_back = replace(
        after,
        editor=replace(
            after.editor, objective=replace(after.editor.objective, lambda_action=before.editor.objective.lambda_action)
        ),
        edits=replace(after.edits, seeds=before.edits.seeds),
    )
    assert changed_back == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"editr.num_steps": 1}, "no setting 'editr'"),
        ({"editor.num_stps": 1}, "no setting 'editor.num_stps'"),
        ({"editor.num_steps": "many"}, "editor.num_steps is 'many'; it must be int"),
        ({"editor.num_steps": 0}, "num_steps"),
        ({"editor.num_steps": True}, "it must be int"),
        ({"editor.precision": "fp8"}, "one of fp32, bf16"),
        ({"editor": 1}, "holds several settings"),
        ({"preset.x": 1}, "single value"),
        ({"edits.seeds": ["a"]}, "edits.seeds"),
        ({"edits.seeds": 1}, "should be a valid"),
        ({"segments.mpii_frame_origin": True}, "one of 0, 1"),
        ({"editor.num_steps": 1.5}, "it must be int"),
        ({"editor.learning_rate": "1e-3"}, "it must be float"),
        ({"editor.learning_rate": True}, "it must be float"),
        ({"report.title": 3}, "it must be str"),
        ({"splits.num_unseen": 3}, "go together"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(settings: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_settings(preset("demo"), settings)


def test_settings_that_belong_together_can_be_given_in_any_order() -> None:
    together = [("splits.unseen_combinations", ["open fridge"]), ("splits.num_unseen", 3)]
    for given in (together, together[::-1]):
        config = with_settings(preset("demo"), dict(given)).splits
        assert (config.unseen_combinations, config.num_unseen) == (("open fridge",), 3)


def test_every_value_of_every_recipe_passes_the_check_of_settings() -> None:
    """Otherwise a recipe could have a value that nobody can give by --set."""
    for make in PRESETS.values():
        config = make()
        plain = json.loads(json.dumps(asdict(config)))
        given = {name: value for name, value in dotted_settings(plain) if not name.startswith("kitchen")}
        assert with_settings(config, given) == config


def test_settings_are_read_as_json_where_they_are_json() -> None:
    assert parse_settings(["a=1", "b=1e-3", "c=text", "d=[1, 2]", "e=null", "f=x=y"]) == {
        "a": 1,
        "b": 1e-3,
        "c": "text",
        "d": [1, 2],
        "e": None,
        "f": "x=y",
    }
    with pytest.raises(ValueError, match="KEY=VALUE"):
        parse_settings(["editor.num_steps"])


@pytest.mark.parametrize(
    ("request_fields", "message"),
    [
        ({"preset": "demos"}, "no preset 'demos'"),
        ({"preset": "table"}, "needs the annotation file"),
        ({"preset": "hc"}, "needs the folder of the videos"),
        ({"preset": "hc", "annotations": "missing.csv"}, "no annotation file missing.csv"),
        ({"preset": "hc", "annotations": __file__}, "needs the folder of the videos"),
        ({"preset": "hc", "annotations": __file__, "videos": "missing"}, "no folder of videos missing"),
        ({"preset": "demo", "annotations": __file__}, "draws its own videos"),
        ({"preset": "demo", "until": "training"}, "no stage 'training'"),
    ],
)
def test_a_request_that_cannot_be_is_refused_in_words(request_fields: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_job(Request(**request_fields))


def test_segments_alone_need_no_videos() -> None:
    assert make_job(Request(preset="hc", annotations=__file__, until="segments")).videos is None


@pytest.mark.parametrize("start", ["./missing", "missing", "/no/such/folder", "a/b/c"])
def test_a_start_that_is_neither_folder_nor_hub_id_is_refused(start: str) -> None:
    with pytest.raises(ValueError, match="neither a folder with model_index"):
        outside_start(start)


@pytest.mark.parametrize("name", PRESETS)
def test_methods_change_the_objective_and_nothing_else(name: str) -> None:
    whole = preset(name).editor.objective
    assert method("editaction", whole) == whole
    assert method("finetuned", whole) == fine_tuned()
    for ablation, expected in ablations(whole).items():
        assert method(ablation, whole) == expected
    chosen = method("action_0.01", whole)
    assert (chosen.lambda_action, chosen.lambda_reg) == (0.01, 0.0)
    chosen = method("reg_3e-2", whole)
    assert (chosen.lambda_action, chosen.lambda_reg) == (0.0, 0.03)
    assert (chosen.freeze, chosen.action_temperature) == (whole.freeze, whole.action_temperature)


def test_names_that_stand_for_several_methods() -> None:
    assert method_names("editaction, finetuned,editaction") == ("editaction", "finetuned")
    assert method_names("table5") == ("editaction", "without_action", "without_reg", "without_freezing")
    for name, grid in (("grid", LAMBDA_GRID), ("grid_decimal", LAMBDA_GRID_DECIMAL)):
        objectives = [method(method_name, editaction()) for method_name in method_names(name)]
        assert [objective.lambda_action for objective in objectives] == [*grid, *(0.0 for _ in grid)]
        assert [objective.lambda_reg for objective in objectives] == [*(0.0 for _ in grid), *grid]


@pytest.mark.parametrize(
    "name", ["edit_action", "action_", "action_x", "action_-1", "action_0", "reg_inf", "reg_nan", "freeze_1", ""]
)
def test_a_method_that_there_is_not_is_refused_in_words(name: str) -> None:
    with pytest.raises(ValueError, match="There is no method"):
        make_job(Request(methods=(name,)))


def test_safe_training_clips_and_warms_up() -> None:
    assert make_job(Request()).config.editor == preset("demo").editor
    safely = make_job(Request(safe=True, settings={"editor.num_warmup_steps": 7})).config.editor
    assert (safely.max_grad_norm, safely.num_warmup_steps) == (1.0, 7)
    paper = safe()
    assert (paper.max_grad_norm, paper.num_warmup_steps) == (1.0, 500)


def wiring(**fields: object) -> list[tuple[str, str, dict[str, Path]]]:
    """Return stage, label and inputs of everything that a request makes. Each stage gives a made-up folder."""
    made: list[tuple[str, str, dict[str, Path]]] = []

    def make(stage: str, label: str, config: object, **inputs: object) -> Path | None:
        made.append((stage, label, {name: path for name, path in inputs.items() if isinstance(path, Path)}))
        # the wiring reads the content of these stages
        return None if stage in ("kitchen", "segments") else Path(stage) / label

    run_job(make_job(Request(**fields)), make)
    return made


def test_what_editors_tell_apart_is_scored_where_it_was_asked_for() -> None:
    (scored,) = (inputs for stage, _, inputs in wiring(measure=("told_apart",)) if stage == "scores")
    assert scored["told_apart_editaction"] == Path("told_apart/demo")
    assert scored["told_apart_start"] == Path("told_apart/demo-start")


def test_several_methods_are_trained_on_the_same_data_and_judged_together() -> None:
    made = wiring(methods=("finetuned", "editaction", "action_0.01"))
    trained = [(label, inputs) for stage, label, inputs in made if stage == "editor"]
    assert [label for label, _ in trained] == ["demo-finetuned", "demo", "demo-action_0.01"]
    assert {str(inputs["shards"]) for _, inputs in trained} == {"shards/demo"}
    edited = {label: inputs["editor"] for stage, label, inputs in made if stage == "edits" and "editor" in inputs}
    assert edited == {
        "demo-finetuned": Path("editor/demo-finetuned"),
        "demo-editaction": Path("editor/demo"),
        "demo-action_0.01": Path("editor/demo-action_0.01"),
    }
    (scored,) = (inputs for stage, _, inputs in made if stage == "scores")
    expected = {"edits_finetuned", "edits_editaction", "edits_action_0.01", "edits_start", "shards", "classifier"}
    assert set(scored) == expected
    (told,) = (inputs for stage, _, inputs in made if stage == "report")
    assert told["editor"] == Path("editor/demo")
    assert {name for name in told if name.startswith("editor_")} == {"editor_finetuned", "editor_action_0.01"}


def test_each_method_is_trained_under_each_training_seed_and_every_editor_is_edited_with() -> None:
    made = wiring(methods=("editaction", "finetuned"), training_seeds=(2, 0))
    names = ["editaction-seed2", "editaction-seed0", "finetuned-seed2", "finetuned-seed0"]
    assert [label for stage, label, _ in made if stage == "editor"] == [f"demo-{name}" for name in names]
    assert [label for stage, label, _ in made if stage == "edits"] == [f"demo-{name}" for name in [*names, "start"]]
    (scored,) = (inputs for stage, _, inputs in made if stage == "scores")
    assert scored["edits_finetuned__seed_2"] == Path("edits/demo-finetuned-seed2")
    told = made[-1][2]
    assert told["editor"] == Path("editor/demo-editaction-seed0")
    assert {name for name in told if name.startswith("editor_")} == {
        "editor_editaction__seed_2",
        "editor_finetuned__seed_2",
        "editor_finetuned__seed_0",
    }


def test_an_editor_of_one_of_several_training_seeds_is_the_one_that_was_trained_alone() -> None:
    """The labels differ, but they are no part of the key.

    The config must be the same, so that the editor is found again.
    """
    configs: dict[tuple[int, ...], list[object]] = {}
    for seeds in ((), (0,), (0, 1)):

        def make(stage: str, label: str, config: object, seeds: tuple[int, ...] = seeds, **inputs: object) -> None:
            if stage == "editor":
                configs.setdefault(seeds, []).append(config)

        run_job(make_job(Request(training_seeds=seeds)), make)
    assert configs[()] == configs[(0,)] == configs[(0, 1)][:1]
    assert [config.seed for config in configs[(0, 1)]] == [0, 1]


@pytest.mark.parametrize(
    ("until", "measure", "expected"),
    [
        ("editor", ("told_apart",), {"told_apart": ["demo", "demo-start"]}),
        ("edits", ("verdicts",), {"verdicts": ["demo-editaction", "demo-start"]}),
        ("report", ("timing",), {"timing": ["demo-editaction", "demo-start"]}),
        (
            "report",
            ("told_apart", "verdicts"),
            {"told_apart": ["demo", "demo-start"], "verdicts": ["demo-editaction", "demo-start"]},
        ),
    ],
)
def test_any_run_can_measure_what_an_editor_tells_apart_and_what_the_oracle_says(
    until: str, measure: tuple[str, ...], expected: dict[str, list[str]]
) -> None:
    made = wiring(until=until, measure=measure)
    labels = {name: [label for stage, label, _ in made if stage == name] for name in measure}
    assert labels == expected
    assert [stage for stage, _, _ in made if stage not in measure][-1] == until


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"training_seeds": (1, 1)}, "give each seed once"),
        ({"measure": ("verdict",)}, "no measurement 'verdict'"),
        ({"measure": ("verdicts",), "until": "editor"}, "--until edits or a later stage"),
        ({"measure": ("verdicts",), "preset": "hc", "annotations": __file__, "videos": "."}, "only the drawn kitchen"),
    ],
)
def test_seeds_and_measurements_that_cannot_be_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_job(Request(**fields))


def test_training_seeds_are_whole_numbers_between_commas() -> None:
    assert parse_seeds("") == ()
    assert parse_seeds("0, 1,2") == (0, 1, 2)
    for text in ("a", "1.5", "-1", "1,,2"):
        with pytest.raises(ValueError, match="is no seed"):
            parse_seeds(text)


def test_a_report_without_editaction_is_about_the_editor_that_its_score_table_has_first() -> None:
    told = wiring(methods=("without_action", "finetuned"))[-1][2]
    assert told["editor"] == Path("editor/demo-finetuned")
    assert told["editor_without_action"] == Path("editor/demo-without_action")


def test_a_run_that_ends_with_its_editors_trains_all_of_them() -> None:
    made = wiring(methods=("editaction", "finetuned"), until="editor")
    assert [label for stage, label, _ in made if stage == "editor"] == ["demo", "demo-finetuned"]
    assert made[-1][0] == "editor"


def test_without_a_word_one_method_is_trained() -> None:
    made = wiring()
    assert [(stage, label) for stage, label, _ in made if stage in ("editor", "edits")] == [
        ("editor", "demo"),
        ("edits", "demo-editaction"),
        ("edits", "demo-start"),
    ]
    assert made[-1][0] == "report"
    assert not [name for name in made[-1][2] if name.startswith("editor_")]


def test_a_hub_id_is_a_start() -> None:
    assert outside_start("timbrooks/instruct-pix2pix").location == "timbrooks/instruct-pix2pix"


def _sizes(config: RunConfig) -> set[int]:
    return {config.frames.size_px, config.editor.size_px, config.edits.sampling.size_px}


def test_a_small_start_sets_the_picture_sizes_of_a_table_run() -> None:
    side = picture_side(STARTING_EDITOR)
    assert side is not None
    assert _sizes(with_start(preset("table"), str(STARTING_EDITOR))) == {side}
    assert _sizes(with_start(preset("table"), "timbrooks/instruct-pix2pix")) == {512, 256}


def test_the_digest_of_a_start_is_that_of_its_content(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "model_index.json").write_text("{}")
    assert outside_start(str(tmp_path / "a")).digest == outside_start(str(tmp_path / "b")).digest
    (tmp_path / "b" / "unet.safetensors").write_bytes(b"0")
    assert outside_start(str(tmp_path / "a")).digest != outside_start(str(tmp_path / "b")).digest
