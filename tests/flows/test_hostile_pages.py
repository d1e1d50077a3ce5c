"""Prefect's pages show reasons, ids and names of others as text: these make no link, picture, row or colour."""

import logging
import re
from pathlib import Path

import pytest

from evaluation.statistics.clustered import clustered_difference
from flows import nightly
from flows.choose_long_distance import told
from flows.wiring import shown
from flows.wiring.gate import Row, Verdict
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import DatasetConfig

BAD = "x](http://a.org)![y](http://a.org/p.png)\n# head | <img src=x onerror=alert(1)> www.a.org `c` \x1b[31m\u202e"


def alive(line: str) -> str:
    """Return the characters of a line that Markdown would read as markup: marks without a backslash before them."""
    return re.sub(r"\\.|[\w\s]|\|", "", line, flags=re.ASCII)


@stage
def verdicts(work: Work, config: DatasetConfig) -> None:
    """Stand in for a stage whose reasons and ids are texts of others."""
    work.funnel = {"rows": 1}
    work.write_rows([], [{"segment_id": BAD, "status": "failed", "reason": BAD}])


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    return verdicts.run(tmp_path, "table", DatasetConfig())


def test_the_lines_of_a_night_are_text(artifact: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    pages: list[str] = []
    monkeypatch.setattr(nightly, "create_markdown_artifact", lambda text, **_: pages.append(text))
    texts = nightly._failed_lines(artifact)
    assert BAD in texts[0]
    assert nightly._publish(f"REGRESSION of {BAD}") == f"REGRESSION of {BAD}"
    assert nightly.table_line([BAD, 1]).count(" | ") == 1
    for line in [*pages, nightly.table_line([BAD, 1])]:
        assert not alive(line), line
        assert "\n" not in line


def test_the_page_of_a_night_holds_no_text_as_markdown() -> None:
    row = Row(
        split=BAD,
        measure="label",
        before=50.0,
        now=40.0,
        difference=clustered_difference([-10.0, -9.0] * 10, list("abcdefghij") * 2),
        is_worse=True,
    )
    verdict = Verdict(rows=[row], problems=[BAD])
    lines = nightly.page_lines([BAD], verdict, BAD)
    assert len([line for line in lines if line.startswith("|")]) == 3
    assert not alive("".join(line for line in lines if not line.startswith("|---")))
    assert all("\n" not in line for line in lines)


def test_a_list_of_failed_items_and_the_lines_of_a_log_are_visible_text(
    artifact: Artifact, caplog: pytest.LogCaptureFixture
) -> None:
    [row] = shown.failed_table(artifact)
    assert "\\x1b[31m\\u202e" in row["reason"]
    assert "\n" not in row["reason"] + row["first"]
    with caplog.at_level(logging.INFO, "editaction"):
        shown._log(shown.stage_line("verdicts", BAD, artifact, False))
    assert "\x1b" not in caplog.text
    assert "\u202e" not in caplog.text


def test_the_question_about_long_distance_pairs_is_text(tmp_path: Path) -> None:
    text = told([{"segment_id": BAD, "instruction": BAD, "rank": 1, "camera_shift": 0.1}], 1, tmp_path / "`![x](y)`")
    lines = text.splitlines()
    assert len(lines) == 5
    assert not alive(lines[0].replace("; all are shown on ", "").removesuffix("."))
    assert not alive(lines[4].replace("%", ""))
