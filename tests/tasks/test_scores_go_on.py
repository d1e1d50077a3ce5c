"""An evaluation that was interrupted or killed computes nothing twice; its memory does not grow with the pictures."""

import os
import signal
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from evaluation.classifier.timesformer import SmallShape, small_timesformer
from evaluation.metrics.fid import StandInNetwork
from evaluation.scoring.pair_measures import Column, Judge
from evaluation.scoring.split_scorer import InMemory, Loaded, score_columns
from modeling.data.example import Example
from modeling.data.images import decode_image, encode_png
from tasks.config import ScoresConfig
from tasks.scores import scores
from tests.support.drawn_run import DrawnEdits, draw_run, edits
from tests.support.watchers import watched

KILLED = """
import os, signal, sys
from pathlib import Path
from tasks.artifacts.building import watching
from tasks.config import ScoresConfig
from tasks.scores import scores
from tests.support.drawn_run import draw_run
from tests.support.watchers import ProgressLog

class Killing(ProgressLog):
    def progressed(self, stage, label, done, total, note):
        if stage == "scores" and done == 4:
            os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
inputs = draw_run(folder / "run").scored_inputs()
watching.set(Killing())
scores.run(folder, "t", ScoresConfig(), **inputs)
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return draw_run(tmp_path_factory.mktemp("run"))


def _kept(folder: Path) -> dict[str, bytes]:
    (partial_folder,) = (folder / "scores").glob("*.partial")
    return {path.name: path.read_bytes() for path in (partial_folder / "measured").glob("*.safetensors")}


def test_a_cut_off_evaluation_measures_the_rest_alone_and_ends_the_same(run, tmp_path):
    """There are seven results: what all share, copy, truth, and two editors under two seeds."""
    whole = scores.run(tmp_path / "whole", "t", ScoresConfig(), **run.scored_inputs())
    assert whole.manifest["items"] == {"total": 7, "run": 7}
    with watched(cut_off=("scores", 4)), pytest.raises(KeyboardInterrupt):
        scores.run(tmp_path, "t", ScoresConfig(), **run.scored_inputs())
    assert len(_kept(tmp_path)) == 5
    resumed = scores.run(tmp_path, "t", ScoresConfig(), **run.scored_inputs())
    assert resumed.manifest["items"] == {"total": 7, "run": 2}
    assert resumed.digest == whole.digest


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_where_it_was(tmp_path):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=environment, timeout=120)
    assert done.returncode == -signal.SIGKILL
    kept = _kept(tmp_path)
    inputs = draw_run(tmp_path / "run").scored_inputs()
    resumed = scores.run(tmp_path, "t", ScoresConfig(), **inputs)
    assert resumed.manifest["items"] == {"total": 7, "run": 7 - len(kept)}
    assert 0 < len(kept) < 7
    assert all((resumed.path / "measured" / name).read_bytes() == content for name, content in kept.items())


def test_one_more_editor_costs_its_own_pictures_alone(run, tmp_path):
    scores.run(tmp_path, "t", ScoresConfig(), **run.scored_inputs())
    third = edits.run(tmp_path, "third", DrawnEdits(share_right=0.3), shards=run.shards.path)
    grown = scores.run(tmp_path, "t", ScoresConfig(), **run.scored_inputs(), edits_finetuned=third.path)
    assert grown.manifest["items"] == {"total": 9, "run": 2}
    changed = edits.run(tmp_path, "changed", DrawnEdits(share_right=0.9), shards=run.shards.path)
    again = scores.run(tmp_path, "t", ScoresConfig(), **run.scored_inputs(), edits_finetuned=changed.path)
    assert again.manifest["items"] == {"total": 9, "run": 2}
    assert again.digest != grown.digest


def _example(number: int, size_px: int) -> Example:
    rng = np.random.default_rng(number)
    before, after = (encode_png(rng.integers(0, 255, (size_px, size_px, 3), dtype=np.uint8)) for _ in range(2))
    texts = {"split": "test", "instruction": "open fridge", "verb": "open", "object": "", "start_point": ""}
    return Example(
        segment_id=f"v-{number:05d}", video_id=f"v{number % 5}", start_s=0.0, stop_s=1.0, end_point="", overlaps=False,
        source_file=before, edited_file=after, **texts,
    )  # fmt: skip


def _peak_bytes(num_pairs: int, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("evaluation.scoring.split_scorer.PAIRS_AT_ONCE", 10)
    shape = SmallShape(size_px=16, patch_px=16, width=32, num_layers=1)
    judge = Judge(
        model=small_timesformer(shape, 2, seed=0), labels=("open", "close"), size_px=16, channel_order="rgb",
        network=StandInNetwork(), paired_network=None, goals={},
    )  # fmt: skip
    examples = [_example(number, 96) for number in range(num_pairs)]
    columns = [
        Column(editor="truth", name="ground truth", label="truth", kind="reference", picture_of="truth"),
        Column(
            editor="e", name="e", label="e/0", picture_of=lambda example: decode_image(example.source_file, name="e")
        ),
    ]
    tracemalloc.start()
    pairs, candidates = score_columns(Loaded(judge, examples), columns, InMemory())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs.segment_ids) == len(candidates[1].values["nearer"]) == num_pairs
    return peak


def test_memory_does_not_grow_with_the_pictures(monkeypatch):
    """Four times the pictures would take 2 MB more for each set, but the peak stays within a quarter."""
    few, many = (_peak_bytes(number, monkeypatch) for number in (20, 80))
    assert many < 1.25 * few, (few, many)


def test_pairs_are_measured_alike_in_any_parts(monkeypatch):
    shape = SmallShape(size_px=16, patch_px=16, width=32, num_layers=1)
    judge = Judge(
        model=small_timesformer(shape, 2, seed=0), labels=("open", "close"), size_px=16, channel_order="rgb",
        network=StandInNetwork(), paired_network=None, goals={},
    )  # fmt: skip
    examples = [_example(number, 32) for number in range(10)]
    column = Column(editor="e", name="e", label="e/0", picture_of=lambda example: example.edited_image[::-1])
    of_sizes = []
    for size in (3, 64):
        monkeypatch.setattr("evaluation.scoring.split_scorer.PAIRS_AT_ONCE", size)
        of_sizes.append(score_columns(Loaded(judge, examples), [column], InMemory())[1][0].values)
    for name, values in of_sizes[0].items():
        np.testing.assert_allclose(values, of_sizes[1][name], atol=1e-5, err_msg=name)
