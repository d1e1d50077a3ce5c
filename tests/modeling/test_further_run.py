"""A finished run that gets more steps ends with the bits of a run of that length, or one line says why not."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.runs.checkpoint_names import checkpoints
from modeling.runs.fine_tuning import TrainOptions, fine_tune
from modeling.runs.watcher import Watcher
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.shorter_run import shorter_run, take_up
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, write_examples

LONG = TrainConfig(
    size_px=SIZE_PX,
    batch_size=3,
    num_steps=5,
    num_warmup_steps=2,
    precision="fp32",
    checkpoint_every=2,
    objective=ObjectiveConfig(lambda_action=0.1),
)
SHORT = replace(LONG, num_steps=3)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("home")
    tiny_pipeline().save_pretrained(folder / "start")
    write_examples(folder / "shards", count=10)
    run(folder, folder / "whole", LONG)
    return folder


def run(home: Path, out: Path, config: TrainConfig, **options) -> None:
    options = TrainOptions(device="cpu", **options)
    watcher = Watcher(lambda line: None)
    fine_tune(config, home / "shards", str(home / "start"), out, options=options, facts={}, watcher=watcher)


def weights(out: Path) -> list[bytes]:
    return [(out / name / "diffusion_pytorch_model.safetensors").read_bytes() for name in ("raw_unet", "pipeline/unet")]


def log_of(out: Path) -> list[dict]:
    lines = (out / "metrics.jsonl").read_text().splitlines()
    every = [json.loads(line) for line in lines]
    # Leave out the norms of each loss, which the last step of a run measures too.
    return [{name: value for name, value in entry.items() if not name.endswith(("_norm", "_ratio"))} for entry in every]


@pytest.mark.parametrize("is_old", [False, True], ids=["new", "written before checkpoints told their run's length"])
def test_a_run_that_goes_on_ends_with_the_bits_of_one_that_was_so_long_from_the_start(home, tmp_path, is_old):
    run(home, tmp_path / "out", SHORT)
    if is_old:
        state = checkpoints(tmp_path / "out" / "checkpoints")[-1] / "state.json"
        told = json.loads(state.read_text())
        del told["num_steps"]
        state.write_text(json.dumps(told))
    run(home, tmp_path / "out", LONG)
    assert weights(tmp_path / "out") == weights(home / "whole")
    assert log_of(tmp_path / "out") == log_of(home / "whole")
    last = [checkpoints(out / "checkpoints")[-1] for out in (tmp_path / "out", home / "whole")]
    ends = [load_file(folder / "tensors.safetensors") for folder in last]
    assert all((ends[0][name] == ends[1][name]).all() for name in ends[1])


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        (replace(SHORT, lr_schedule="cosine"), replace(LONG, lr_schedule="cosine"), "cosine learning rate was to end"),
        (SHORT, replace(SHORT, num_steps=2), "cannot be made shorter"),
        (SHORT, replace(LONG, learning_rate=2e-4), "another config, start or data"),
    ],
)
def test_where_it_cannot_go_on_one_line_says_why(home, tmp_path, first, second, said):
    run(home, tmp_path / "out", first)
    before = weights(tmp_path / "out")
    with pytest.raises(ValueError, match=said):
        run(home, tmp_path / "out", second)
    assert weights(tmp_path / "out") == before, "nothing is lost"


# --- as an artifact ---------------------------------------------------------------------------------------------------


def editor_of(folder: Path, config: TrainConfig, shards: str = "a") -> Artifact:
    """Return an artifact with a checkpoint, which has as much as a longer run needs."""
    name = f"step-{config.num_steps:08d}"
    (folder / "checkpoints" / name).mkdir(parents=True)
    (folder / "checkpoints" / name / "state.json").write_text("{}")
    (folder / "metrics.jsonl").write_text("{}\n" * config.num_steps)
    inputs = {"shards": {"digest": shards}, "start": {"digest": "s"}}
    return Artifact(path=folder, manifest={"config": json.loads(json.dumps(asdict(config))), "inputs": inputs})


def test_the_longest_shorter_training_of_the_same_thing_is_taken_up(tmp_path):
    there = [editor_of(tmp_path / str(steps), replace(LONG, num_steps=steps)) for steps in (2, 4, 3, 9)]
    there.append(editor_of(tmp_path / "other-data", replace(LONG, num_steps=4), shards="b"))
    there.append(editor_of(tmp_path / "other-seed", replace(LONG, num_steps=4, seed=1)))
    shorter = shorter_run(there, LONG, {"shards": "a", "start": "s"})
    assert shorter is not None
    assert (shorter.artifact.path.name, shorter.sentence) == ("4", "goes on after the 4 steps of 4")
    (tmp_path / "new").mkdir()
    take_up(shorter, tmp_path / "new")
    assert (tmp_path / "new" / "checkpoints" / "step-00000004" / "state.json").read_text() == "{}"
    assert (tmp_path / "new" / "metrics.jsonl").read_text() == "{}\n" * 4
    assert shorter_run(there[-2:], LONG, {"shards": "a", "start": "s"}) is None


def test_what_cannot_be_taken_up_is_said_and_nothing_is_laid_down(tmp_path):
    cosine = replace(LONG, lr_schedule="cosine")
    gone = editor_of(tmp_path / "gone", SHORT)
    (gone.path / "checkpoints" / "step-00000003" / "state.json").unlink()
    for artifact, config, said in (
        (editor_of(tmp_path / "cosine", replace(cosine, num_steps=3)), cosine, "cosine learning rate"),
        (gone, LONG, "its checkpoint is gone"),
    ):
        shorter = shorter_run([artifact], config, {"shards": "a", "start": "s"})
        assert shorter is not None
        assert said in shorter.sentence
        take_up(shorter, tmp_path / "new")
        assert not (tmp_path / "new").exists()
