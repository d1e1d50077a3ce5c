"""What people see of a run while it trains. Nothing of it can change the run or end it."""

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from modeling.atomic import write_json
from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.checkpoint import best_checkpoints
from modeling.runs.checkpoint_names import checkpoints
from modeling.runs.fine_tuning import TrainOptions, fine_tune, make_batches
from modeling.runs.trackers import Trackers, open_trackers, wanted_trackers
from modeling.runs.validation import NUM_ROWS, Validation, chosen
from modeling.runs.watcher import ProgressBar, Watcher, note_of
from modeling.training.trainer import Trainer
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline, write_examples

CONFIG = TrainConfig(
    size_px=SIZE_PX,
    batch_size=3,
    num_steps=8,
    learning_rate=1e-3,
    precision="fp32",
    checkpoint_every=2,
    objective=ObjectiveConfig(lambda_action=0.1),
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a start, shards to train on and shards that are held out."""
    folder = tmp_path_factory.mktemp("home")
    tiny_pipeline().save_pretrained(folder / "start")
    write_examples(folder / "shards", count=10)
    write_examples(folder / "validation", count=7)
    return folder


def run(home: Path, out: Path, **options) -> list[dict]:
    """Train; return the lines that were told."""
    told: list[dict] = []
    fine_tune(
        CONFIG,
        home / "shards",
        str(home / "start"),
        out,
        options=TrainOptions(device="cpu", **options),
        facts={},
        watcher=Watcher(lambda line: told.append(json.loads(line))),
    )
    return told


@pytest.fixture(scope="module")
def unseen(home: Path) -> Path:
    """Return the output of a run that nobody looked at."""
    run(home, home / "unseen")
    return home / "unseen"


def result(out: Path) -> dict[str, bytes]:
    """Return the bytes of a run's result, without its checkpoints and without what was seen of it."""
    files = [path for path in sorted(out.rglob("*")) if path.is_file()]
    names = {path: path.relative_to(out) for path in files}
    hidden = ("checkpoints", "validation", "tensorboard")
    return {str(names[path]): path.read_bytes() for path in files if names[path].parts[0] not in hidden}


def test_a_run_that_is_looked_at_ends_bit_identical(home: Path, unseen: Path, tmp_path: Path) -> None:
    told = run(home, tmp_path, validate_every=2, validation=home / "validation", keep_checkpoints=1)
    assert result(tmp_path) == result(unseen)
    looks = [line for line in told if line["phase"] == "validation"]
    assert [line["step"] for line in looks] == [2, 4, 6, 8]
    assert {line["split"] for line in looks} == {"validation"}
    assert all(0 < line["static"] < 10 and 0 <= line["told_apart"] <= 1 for line in looks)
    grid = np.asarray(Image.open(tmp_path / "validation" / "step-00000004.png"))
    assert grid.shape[1:] == (3 * SIZE_PX, 3)
    assert len(grid) > NUM_ROWS * SIZE_PX
    best = min(looks, key=lambda line: line["static"])["step"]
    assert list(best_checkpoints(tmp_path / "checkpoints")) == [f"step-{best:08d}"]
    kept = {f"step-{best:08d}", "step-00000008"}
    assert {path.name for path in checkpoints(tmp_path / "checkpoints")} == kept
    written = json.loads((tmp_path / "validation" / "step-00000002.json").read_text())
    assert written["static"] == looks[0]["static"]


def test_the_editor_of_the_best_checkpoint_is_written_beside_that_of_the_last(home: Path, tmp_path: Path) -> None:
    run(home, tmp_path, validate_every=2, validation=home / "validation", keep_checkpoints=4)
    before = result(tmp_path)
    write_json(tmp_path / "checkpoints" / "best.json", {"step-00000004": 0.1})
    run(home, tmp_path, take="best")
    run(home, tmp_path, take="step-00000008")
    after = result(tmp_path)
    assert {name: after[name] for name in before} == before
    weights = "pipeline/unet/diffusion_pytorch_model.safetensors"
    assert after[f"step-00000008/{weights}"] == before[weights] != after[f"best/{weights}"]
    assert "4 of 8 steps of 3" in after["best/README.md"].decode()
    with pytest.raises(ValueError, match="no checkpoint 'step-00000003'; it has step-00000002"):
        run(home, tmp_path, take="step-00000003")


def test_training_examples_serve_where_none_are_held_out_and_name_no_checkpoint_best(
    home: Path, unseen: Path, tmp_path: Path
) -> None:
    told = run(home, tmp_path, validate_every=4)
    assert [line["split"] for line in told if line["phase"] == "validation"] == ["train", "train"]
    assert best_checkpoints(tmp_path / "checkpoints") == {}
    assert result(tmp_path) == result(unseen)


def test_looks_that_fail_are_said_and_the_run_ends_bit_identical(home: Path, unseen: Path, tmp_path: Path) -> None:
    """The held-out shards disappear, and the disk takes no grid."""
    shards = write_examples(tmp_path / "held-out", count=3)
    examples = Examples(shards)
    assert len(examples) == 3
    whole = next(shards.glob("*.tar"))
    whole.write_bytes(whole.read_bytes().replace(b"\x89PNG", b"\x89PNX"))
    told = run(home, tmp_path / "out", validate_every=4, validation=shards)
    failed = [line for line in told if line["phase"] == "validation_failed"]
    assert [line["step"] for line in failed] == [4, 8]
    assert "ValueError" in failed[0]["message"]
    assert result(tmp_path / "out") == result(unseen)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "validation").write_text("a file where the folder should be")
    told = run(home, tmp_path / "full", validate_every=8)
    assert [line["step"] for line in told if line["phase"] == "validation_failed"] == [8]


def test_weights_and_mode_come_back_from_a_look_that_fails_in_its_middle(home: Path) -> None:
    editor = Editor(tiny_pipeline())
    examples = Examples(home / "shards")
    options, watcher = TrainOptions(device="cpu"), Watcher(lambda line: None)
    batches = make_batches(editor, examples, CONFIG, options, watcher)
    trainer = Trainer(editor, CONFIG)
    for step in range(3):
        trainer.step(batches, step)
    before = {name: tensor.clone() for name, tensor in trainer.tensors().items()}
    during: list[bool] = []

    def make(config: TrainConfig):
        held = torch.equal(editor.unet.conv_out.weight, before["average/conv_out.weight"])
        saved = trainer.tensors()  # a signal would save these now
        during.append(
            held and not editor.unet.training and all(torch.equal(saved[name], before[name]) for name in before)
        )
        raise OSError("no such shard any more")

    with pytest.raises(OSError, match="no such shard"):
        Validation(editor, CONFIG, examples, make).look(trainer)
    assert during == [True]
    assert all(torch.equal(tensor, before[name]) for name, tensor in trainer.tensors().items())
    assert editor.unet.training


def test_the_same_examples_are_shown_whatever_else_is_in_the_shards() -> None:
    ids = [f"v-{number}" for number in range(50)]
    few = [ids[row] for row in chosen(ids, 6)]
    more = [f"w-{number}" for number in range(3)] + ids[::-1]
    assert {more[row] for row in chosen(more, 9)} >= set(few)


class Onlooker:
    """A tracker that remembers what it gets, or fails at the n-th call."""

    def __init__(self, fail_at: int = 1000):
        self.seen: list[tuple[int, dict[str, float]]] = []
        self._fail_at = fail_at

    def scalars(self, step: int, values: dict[str, float]) -> None:
        if len(self.seen) == self._fail_at:
            raise ConnectionError("gone")
        self.seen.append((step, values))

    def picture(self, step: int, name: str, picture: np.ndarray) -> None:
        self.seen.append((step, {name: float(picture.size)}))

    def close(self) -> None:
        self.seen.append((-1, {}))


def test_trackers_get_the_numbers_and_one_that_fails_is_left_out_once() -> None:
    good, bad, said = Onlooker(), Onlooker(fail_at=1), []
    trackers = Trackers({"good": lambda: good, "bad": lambda: bad, "broken": lambda: 1 / 0}, said.append)
    entry = {"step": 1, "loss": 0.5, "reg": float("nan"), "skip_reason": "x", "fallbacks": {"none": 2}}
    trackers.scalars(1, entry)
    trackers.scalars(2, entry)
    trackers.picture(2, "grid", np.zeros((2, 3, 3), dtype=np.uint8))
    trackers.close()
    expected = {"loss": 0.5, "fallbacks/none": 2.0}
    assert good.seen == [(1, expected), (2, expected), (2, {"grid": 18.0}), (-1, {})]
    assert bad.seen == [(1, expected)]
    assert [line.split()[0] for line in said] == ["broken", "bad"]


def test_trackers_that_are_not_there_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wanted_trackers("none") == ()
    with pytest.raises(ValueError, match="no tracker 'mlflow'"):
        wanted_trackers("mlflow")
    monkeypatch.setattr("modeling.runs.trackers.find_spec", lambda name: None)
    assert wanted_trackers("auto") == ()
    with pytest.raises(ValueError, match="pip install wandb"):
        wanted_trackers("wandb")


def test_wandb_is_asked_for_by_its_own_variables_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("modeling.runs.trackers.find_spec", lambda name: name == "wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_MODE", raising=False)
    assert wanted_trackers("auto") == ()
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert wanted_trackers("auto") == ("wandb",)


def test_tensorboard_reads_what_was_written(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is an optional extra")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for first_step, steps in ((0, (1, 2, 3)), (1, (2,))):  # the run is interrupted, and continued after step 1
        trackers = open_trackers(
            ("tensorboard",), tmp_path, run="ab" * 32, config={}, first_step=first_step, on_failure=pytest.fail
        )
        for step in steps:
            trackers.scalars(step, {"loss": step + first_step / 2})
        trackers.picture(steps[-1], "grid", np.zeros((4, 6, 3), dtype=np.uint8))
        trackers.close()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(1, 1.0), (2, 2.5)]
    assert [event.step for event in events.Images("grid")] == [2]


def test_wandb_writes_a_run_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is an optional extra")
    monkeypatch.setenv("WANDB_MODE", "offline")
    trackers = open_trackers(
        ("wandb",), tmp_path, run="ab" * 32, config={"seed": 0}, first_step=0, on_failure=pytest.fail
    )
    trackers.scalars(1, {"loss": 0.5})
    trackers.close()
    assert list((tmp_path / "wandb").rglob("run-*.wandb"))


TOLD = {"phase": "train", "step": 3, "num_steps": 8, "loss": 0.25, "samples_per_s": 12.5, "eta_s": 7260, "skipped": 0}


def test_a_line_of_training_says_speed_and_time_left() -> None:
    assert note_of(TOLD) == "loss 0.2500, 12.5 samples/s, 2 h 01 min left"
    assert note_of(TOLD | {"eta_s": 90.0, "skipped": 2, "loss": None}) == "12.5 samples/s, 2 min left, 2 skipped"
    assert note_of(TOLD | {"eta_s": 12.2}).endswith("12 s left")
    assert note_of({"phase": "latents", "done": 1, "total": 2}) == ""


def test_at_a_terminal_progress_is_a_bar() -> None:
    shown = io.StringIO()
    bar = ProgressBar(Console(file=shown, force_terminal=True, width=120))
    for line in ({"phase": "latents", "done": 4, "total": 4}, TOLD, {"phase": "skipped", "step": 3, "reason": "x"}):
        bar(json.dumps(line))
    bar.close()
    for expected in ("latents", "4/4", "3/8", "12.5 samples/s", "skipped: step 3, reason x"):
        assert expected in shown.getvalue()


def test_numbers_that_are_not_finite_are_said_as_null(home: Path, tmp_path: Path) -> None:
    """Any reader can parse a progress line as JSON."""
    told: list[str] = []
    hopeless = replace(CONFIG, learning_rate=1e30, checkpoint_every=1, num_steps=6)
    with pytest.raises(FloatingPointError):
        fine_tune(
            hopeless,
            home / "shards",
            str(home / "start"),
            tmp_path,
            options=TrainOptions(device="cpu"),
            facts={},
            watcher=Watcher(told.append),
        )
    assert not [line for line in told if "NaN" in line or "Infinity" in line]
    assert [line for line in told if '"loss": null' in line]
