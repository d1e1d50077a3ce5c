"""The table of the compared systems: what is both carried out and kept is read out of the pairs, and printed."""

import numpy as np
import pytest

from benchmarks.baselines_table import carried_out_and_kept, markdown
from evaluation.scoring.rows import Candidate, SplitPairs

PAIRS = SplitPairs(
    split="test4",
    segment_ids=("a", "b", "c", "d"),
    video_ids=("1", "1", "2", "3"),
    verbs=("put",) * 4,
    halves={"fid": None, "kid": None},
)


def _candidate(editor, *, carried_out, kept):
    values = {"carried_out": np.array(carried_out, dtype=float), "kept": np.array(kept, dtype=float)}
    return Candidate(editor=editor, name=editor, kind="editor", seeds=(0, 1), values=values)


def test_both_is_the_share_of_edits_that_are_carried_out_and_kept_at_once():
    halves_of_seeds = [[1, 0], [1, 1], [0, 1], [0, 0]]
    editors = [
        _candidate("masactrl", carried_out=halves_of_seeds, kept=[[1, 1], [0, 1], [0, 1], [1, 1]]),
        _candidate("imagic", carried_out=[[1, 1]] * 4, kept=[[0, 0]] * 4),
    ]
    shares = carried_out_and_kept(PAIRS, editors)
    mean, (low, high) = shares["masactrl.both_percent"]
    assert mean == pytest.approx(100 * 3 / 8)
    assert 0 <= low < mean < high <= 100
    assert shares["imagic.both_percent"][0] == 0
    assert shares["imagic.both_percent"][1][1] > 0, "a zero of three videos has an interval of some width"


def test_a_row_without_a_measure_has_a_dash_and_percentages_have_their_interval():
    measures = {"copy.kept_percent": 100.0, "copy.fid_output": 0.01234567, "masactrl.unet_rows_per_picture": 250.0}
    lines = markdown(measures, {"copy.kept_percent": [90.0, 100.0]}).splitlines()
    assert lines[2].startswith("| copy of the input | - | 100.0 (90.0 to 100.0) | - |")
    assert "0.01235" in lines[2]
    assert lines[3].startswith("| MasaCtrl | - |")
    assert lines[3].endswith(" 250 |")
