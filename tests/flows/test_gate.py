"""The gate counts exactly. Only a fall by the margin that the paired interval confirms is a regression."""

import numpy as np
import pytest

from evaluation.statistics.clustered import clustered_difference
from flows.wiring.evaluations import Evaluation, Setting, before, series_of
from flows.wiring.gate import Margins, judge, table_of
from flows.wiring.nightly_job import label_of
from tasks.artifacts.artifact import Artifact

VIDEOS = 10
PAIRS = {f"v{video}-{number}": f"v{video}" for video in range(VIDEOS) for number in range(6)}


def records(share_right: float, measure: str = "kept", *, seed: int = 0, pairs: dict[str, str] = PAIRS) -> list[dict]:
    rng = np.random.default_rng(seed)
    blank = dict.fromkeys(("carried_out", "kept", "match_gt", "label"))
    return [
        {"split": "test", "segment_id": segment_id, "seed": 0, **blank, measure: bool(rng.random() < share_right)}
        for segment_id in pairs
    ]


def verdict(before: list[dict], now: list[dict], **margins: float | None):
    return judge(before, now, PAIRS, len(PAIRS), Margins(**margins))


def test_an_editor_that_got_worse_is_a_regression_and_says_by_how_much() -> None:
    outcome = verdict(records(0.9), records(0.4, seed=1))
    assert outcome.is_regression
    assert "rest of the scene kept on test fell by" in outcome.problems[0]
    assert [row["verdict"] for row in table_of(outcome.rows)] == ["worse"]


@pytest.mark.parametrize(
    ("now", "margins"),
    [(records(0.9), {}), (records(0.95, seed=2), {}), (records(0.4, seed=1), {"kept": None}), (records(0.85), {})],
    ids=["equal", "better", "not gated", "within the noise"],
)
def test_what_is_no_regression(now: list[dict], margins: dict) -> None:
    assert not verdict(records(0.9), now, **margins).is_regression


def test_a_fall_below_the_margin_is_none_however_sure() -> None:
    now = records(1.0)
    now[0]["kept"] = False
    assert not verdict(records(1.0), now, kept=5.0).is_regression


def test_a_pair_that_was_not_scored_shuts_the_gate_even_with_nothing_to_compare_with() -> None:
    outcome = verdict([], records(0.9)[:-4])
    assert outcome.problems == ["56 of 60 test pairs were scored"]


def test_a_measure_that_judges_fewer_pairs_than_before_shuts_the_gate_and_nothing_falls_out_of_it_silently() -> None:
    before = records(0.9, "carried_out")
    gone = [row | {"carried_out": None} for row in before]
    part = [row | ({"carried_out": None} if place < 7 else {}) for place, row in enumerate(before)]
    for now, number in ((gone, 60), (part, 7)):
        told = f"action carried out on test: {number} of 60 pairs that had a value have none"
        assert verdict(before, now).problems == [told]
        assert not verdict(before, now, carried_out=None).is_regression
        assert not verdict(now, before).is_regression


def test_pairs_of_one_video_count_as_alike() -> None:
    rng = np.random.default_rng(0)
    of_video = rng.normal(size=8)
    differences = np.repeat(of_video, 20)
    videos = [f"v{number}" for number in range(8) for _ in range(20)]
    clustered = clustered_difference(differences, videos)
    apart = clustered_difference(differences, [str(number) for number in range(160)])
    assert clustered.mean == pytest.approx(of_video.mean())
    assert clustered.high - clustered.low > 3 * (apart.high - apart.low)
    # Student's t of the 8 means: all groups have the same size, so the result is the same
    half = 2.364624 * of_video.std(ddof=1) / np.sqrt(8)
    assert (clustered.high - clustered.low) / 2 == pytest.approx(half, rel=1e-5)
    assert clustered_difference([1.0, 2.0], ["a", "a"]).low is None


def evaluation(editor: str, name: str, **changes: str) -> Evaluation:
    setting = {"test_set": "t", "classifier": "c", "edits": "e", "scores": "s"} | changes
    from pathlib import Path

    scores = Artifact(path=Path(name), manifest={})
    return Evaluation(series="demo", editor=editor, label="editaction", setting=Setting(**setting), scores=scores)


def test_before_is_the_last_with_the_same_test_set_and_settings_else_the_reason_is_told() -> None:
    first, second, other = evaluation("1", "a"), evaluation("2", "b"), evaluation("3", "c", test_set="u")
    now = evaluation("4", "d")
    assert before([first, second, other], now) is second
    assert before([other], now) == "the test set is another one"
    assert before([evaluation("1", "a", edits="x", classifier="y")], now) == (
        "the classifier that judges is another one and the sampling settings differ"
    )
    assert "no other editor" in str(before([now], now))


@pytest.mark.parametrize(
    ("series", "label"),
    [
        ("demo", "editaction"),
        ("demo-hc", "editaction"),
        ("demo-hc-finetuned", "finetuned"),
        ("lc-action_0.01", "action_0.01"),
    ],
)
def test_labels_of_a_series(series: str, label: str) -> None:
    assert label_of(series) == label
    assert label_of(f"{series}-seed2") == f"{label}__seed_2"
    assert series_of(f"editor/{series}-0123abcd") == series
