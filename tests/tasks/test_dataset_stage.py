"""The page about the data: from annotations alone, and from the whole run."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from evaluation.paper import DATASETS
from tasks.artifacts.artifact import Artifact, Outside, sha256_of
from tasks.config import DatasetConfig, QualityLimits, SegmentsConfig, SplitsConfig
from tasks.dataset import dataset
from tasks.pages.dataset_statistics import (
    IN_ON_TO,
    PREPOSITIONS,
    count_by_rules,
    counts_of,
    first_words,
    has_word,
    statistics_of,
)
from tasks.segments import segments
from tasks.splits import splits
from tests.support.commands import run
from tests.support.drawn_frames import draw_frames, drawn_row

TABLE = """video,start_s,stop_s,instruction
a.mp4,0.0,2.0,take cup from shelf
a.mp4,1.5,3.0,put cup on table
a.mp4,3.0,4.0,Turn on light
b.mp4,0.0,1.0,turn on tap in sink
b.mp4,1.0,61.0,cut <b>bread</b> with knife
b.mp4,2.0,1.0,dry cup
"""
FACTS = {"num_several_nouns": 2}


def row(instruction: str, **changed: object) -> dict[str, object]:
    return drawn_row(1) | {"instruction": instruction, "verb": "", "start_point": "", "end_point": ""} | changed


@pytest.mark.parametrize(
    ("instruction", "in_on_to", "any_prep"),
    [
        ("put cup on table", True, True),
        ("turn on light", False, False),
        ("switch light off", False, False),
        ("turn on tap in sink", True, True),
        ("take lid off pan", False, True),
        ("take lid from pan", False, True),
        ("cut bread with knife", False, True),
        ("open door", False, False),
        ("in", False, False),
        ("", False, False),
        ("Put cup, on table.", True, True),
    ],
)
def test_word_rules(instruction: str, in_on_to: bool, any_prep: bool) -> None:
    assert has_word(instruction, IN_ON_TO) is in_on_to
    assert has_word(instruction, PREPOSITIONS) is any_prep


def test_every_rule_is_counted_and_stands_beside_the_papers_figure() -> None:
    rows = [
        row("put cup on table", end_point="table"),
        row("move pan", end_point="stove", start_point="counter"),
        row("take cup from shelf", start_point="shelf"),
        row("open door"),
        row("take cup of tea"),
    ]
    counted = count_by_rules(rows, FACTS, 8, DATASETS["lc"])
    by_rule = {(count.statistic, count.rule): (count.count, count.percent, count.paper_percent) for count in counted}
    assert by_rule == {
        ("end_point", "record"): (2, 40.0, 34.11),
        ("end_point", "dest_pp"): (1, 20.0, 34.11),
        ("end_point", "in_on_to"): (1, 20.0, 34.11),
        ("end_point", "any_prep"): (3, 60.0, 34.11),
        ("end_point", "multi_noun"): (2, 25.0, 34.11),
        ("start_point", "record"): (2, 40.0, 66.49),
        ("start_point", "from"): (1, 20.0, 66.49),
        ("neither", "record"): (2, 40.0, 29.08),
        ("neither", "no_prep"): (2, 40.0, 29.08),
    }
    assert {count.paper_percent for count in count_by_rules(rows, {}, 8, None)} == {None}


def test_actions_are_first_words_and_an_empty_dataset_is_no_error() -> None:
    counted = counts_of(first_words(pd.Series(["open door", "Turn on tap", "...", "turn off tap"])))
    assert counted == [("turn", 2), ("open", 1)]
    assert statistics_of([], {}, 0, None)["num"] == 0


def read_table(workspace: Path, text: str = TABLE) -> Artifact:
    path = workspace / "actions.csv"
    workspace.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    outside = Outside(location=str(path), digest=sha256_of(path))
    return segments.run(workspace, "table", SegmentsConfig(reader="table"), annotations=outside)


def test_annotations_alone_give_a_page(tmp_path: Path) -> None:
    made = read_table(tmp_path)
    artifact = dataset.run(tmp_path, "table", DatasetConfig(title="Mine"), segments=made.path)
    page = (artifact.path / "dataset.html").read_text()
    statistics = json.loads((artifact.path / "statistics.json").read_text())
    assert (statistics["counted"], statistics["num"], statistics["num_videos"], statistics["num_actions"]) == (
        "segments",
        5,
        2,
        4,
    )
    spread = statistics["durations_s"]
    assert (spread["median"], spread["max"], spread["num_over_30_s"], spread["num_under_1_s"]) == (1.5, 60.0, 1, 0)
    assert [record["rule"] for record in artifact.records()][:2] == ["record", "dest_pp"]
    assert "bad_times <b>1</b>" in page
    assert "<b>bread</b>" not in page, "what annotations say is escaped"
    assert not re.search(r'(src|href)="(?!data:|#)', page), "the page needs nothing from elsewhere"
    assert "Paper" not in page
    for part in ('id="splits"', 'id="quality"', 'id="pairs"'):
        assert part not in page


def test_the_whole_run_adds_pairs_splits_leakage_and_quality(tmp_path: Path) -> None:
    frames = draw_frames(tmp_path, num_pairs=24, size_px=64)
    poorest = min(record["change"] for record in frames.records())
    limits = QualityLimits(min_change=poorest + 1e-4)
    divided = splits.run(
        tmp_path, "t", SplitsConfig(num_test=6, num_long_distance=2, quality=limits), frames=frames.path
    )
    made = read_table(tmp_path)
    config = DatasetConfig(paper="hc", num_shown_pairs=3)
    artifact = dataset.run(tmp_path, "t", config, segments=made.path, frames=frames.path, splits=divided.path)
    page = (artifact.path / "dataset.html").read_text()
    assert json.loads((artifact.path / "statistics.json").read_text())["counted"] == "pairs"
    assert page.count("data:image/png;base64,") == 6
    assert "paper: 37,454" in page
    assert "18.90 %" in page
    assert "no_change <b>1</b>" in page
    assert "of the 6 pairs of test6 come from videos that are trained on too" in page
    assert "Scene cut" in page
    rows = [
        re.sub("<[^>]+>", " ", markup).split() for markup in re.findall("<tr class=.editor.>.*?</tr>", page, re.DOTALL)
    ]
    sizes = {cells[0]: cells[1] for cells in rows if cells[0] in ("train", "test6", "long2")}
    assert sizes == {"train": "15", "test6": "6", "long2": "2"}


def test_equal_inputs_give_equal_bytes(tmp_path: Path) -> None:
    contents = {
        (
            dataset.run(workspace, "t", DatasetConfig(), segments=read_table(workspace).path).path / "statistics.json"
        ).read_bytes()
        for workspace in (tmp_path / "one", tmp_path / "two")
    }
    assert len(contents) == 1


def test_the_command_makes_the_page_of_the_newest_segments_without_a_server(tmp_path: Path) -> None:
    assert "no segments yet" in run("dataset", cwd=tmp_path, expect=1).stderr
    read_table(tmp_path / "workspace")
    done = run("dataset", cwd=tmp_path, api_url="http://127.0.0.1:9/api")
    page = Path(done.stdout.strip())
    assert page.name == "dataset.html"
    assert "A table of actions" in page.read_text()


def test_the_real_annotations_give_the_known_shares(real_data: Path, tmp_path: Path) -> None:
    """25 431 of HC's segments are known. No rule reaches the paper's 18.90 % on them."""
    path = real_data / "epic100" / "EPIC_100_train_partial.csv"
    outside = Outside(location=str(path), digest=sha256_of(path))
    made = segments.run(tmp_path, "hc", SegmentsConfig(reader="epic"), annotations=outside)
    artifact = dataset.run(tmp_path, "hc", DatasetConfig(paper="hc"), segments=made.path)
    shares = {(record["statistic"], record["rule"]): record["percent"] for record in artifact.records()}
    assert shares["end_point", "multi_noun"] == 12.43
    assert shares["end_point", "dest_pp"] == shares["end_point", "record"] == 9.55
    assert shares["end_point", "any_prep"] == pytest.approx(13.3, abs=0.1)
    assert shares["start_point", "from"] == 1.48
    text = (artifact.path / "dataset.html").read_text()
    for number in ("67,217", "37,455", "37,454", "26,313", "25,431", "paper: 260"):
        assert number in text
