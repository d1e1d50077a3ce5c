"""`clean --unused` keeps the newest reports and all that they were made of.

It names the bytes of the rest and asks before it removes them.
"""

import json
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from tasks.artifacts.locks import at_work
from tasks.artifacts.unused import bytes_freed, unused_folders
from tests.support.commands import run


def make(workspace: Path, name: str, finished: int, **inputs: str) -> Path:
    """Write a finished artifact of 1,000 bytes. Inputs whose name has a suffix are files from outside."""
    folder = workspace / name
    folder.mkdir(parents=True)
    (folder / "content").write_bytes(bytes(1000))
    stage, label = name.split("/")
    told = {
        input_name: {"outside" if Path(source).suffix else "artifact": source, "digest": source}
        for input_name, source in inputs.items()
    }
    manifest = {"stage": stage, "label": label[:-9], "key": label[-8:], "version": 1, "digest": name, "funnel": {}}
    manifest |= {"counts": {"input": 0, "kept": 0, "filtered": {}, "failed": {}}, "facts": {}, "config": {}}
    manifest |= {"inputs": told, "source_digest": "", "finished_at": f"2026-01-{finished:02d}"}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"seconds": 1.0, "num_files": 1}))
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Make three reports, each with an editor, all of the same shards; and a dataset page of the oldest frames and of
    the shards.
    """
    workspace = tmp_path / "w"
    make(workspace, "kitchen/a-00000001", 1)
    make(workspace, "segments/a-00000002", 2, annotations="/elsewhere/w/kitchen/a-00000001/annotations.mat")
    make(workspace, "shards/a-00000003", 3, segments="segments/a-00000002")
    make(workspace, "frames/old-00000004", 3)
    make(workspace, "dataset/a-00000005", 4, shards="shards/a-00000003")
    make(workspace, "dataset/old-00000006", 4, frames="frames/old-00000004")
    for number in (1, 2, 3):
        editor = make(workspace, f"editor/a-0000001{number}", 4 + number, shards="shards/a-00000003")
        (editor / "checkpoints").mkdir()
        (editor / "checkpoints" / "weights").write_bytes(bytes(5000))
        make(workspace, f"report/a-0000002{number}", 10 + number, editor=f"editor/a-0000001{number}")
    (workspace / "editor" / "a-00000019.partial").mkdir()
    return workspace


def names(folders: list[Path], workspace: Path) -> list[str]:
    return [str(folder.relative_to(workspace)) for folder in folders]


def test_what_the_newest_reports_need_stays(workspace: Path) -> None:
    unused = names(unused_folders(workspace, keep=2), workspace)
    assert unused[:2] == ["editor/a-00000012/checkpoints", "editor/a-00000013/checkpoints"]
    gone = {"editor/a-00000011", "report/a-00000021", "frames/old-00000004", "dataset/old-00000006"}
    assert set(unused[2:]) == gone
    pinned = names(unused_folders(workspace, keep=2, pinned=["dataset/old-00000006"]), workspace)
    assert set(pinned[2:]) == gone - {"frames/old-00000004", "dataset/old-00000006"}
    with pytest.raises(ValueError, match="no finished artifact splits/x"):
        unused_folders(workspace, keep=1, pinned=["splits/x"])


def test_bytes_with_another_hard_link_are_not_counted_as_free(workspace: Path) -> None:
    old = workspace / "frames" / "old-00000004"
    before = bytes_freed([old])
    os.link(old / "content", workspace / "elsewhere")
    assert bytes_freed([old]) == before - 1000


def test_it_lists_bytes_asks_and_respects_runs(workspace: Path, tmp_path: Path) -> None:
    asked = run("clean", "--unused", "--workspace", "w", cwd=tmp_path, expect=1)  # there is nobody to answer
    assert "5,000 bytes  w/editor/a-00000013/checkpoints" in asked.stdout
    assert "would be free" in asked.stdout
    assert "Traceback" not in asked.stderr
    assert "Nobody answered, so nothing was removed" in asked.stderr
    assert (workspace / "report" / "a-00000021").exists()
    with at_work(workspace):
        refused = run("clean", "--unused", "--yes", "--workspace", "w", cwd=tmp_path, expect=1)
    assert "a run is at work here" in refused.stderr
    done = run("clean", "--unused", "--yes", "--workspace", "w", cwd=tmp_path)
    assert "7 folders removed from w" in done.stdout
    there = {str(path.parent.relative_to(workspace)) for path in workspace.glob("*/*/manifest.json")}
    kept = {"kitchen/a-00000001", "segments/a-00000002", "shards/a-00000003", "dataset/a-00000005"}
    assert there == kept | {"editor/a-00000013", "report/a-00000023"}
    assert (workspace / "editor" / "a-00000019.partial").exists()
    assert not list(workspace.glob("editor/*/checkpoints"))
    assert " 0 folders" in run("clean", "--unused", "--workspace", "w", cwd=tmp_path).stdout


def test_without_a_report_nothing_is_removed(tmp_path: Path) -> None:
    kept = make(tmp_path / "w", "frames/a-00000001", 1)
    refused = run("clean", "--unused", "--yes", "--workspace", "w", cwd=tmp_path, expect=1)
    assert "no finished report" in refused.stderr
    assert kept.exists()


@pytest.mark.parametrize(("answer", "is_kept"), [("", True), ("n\n", True), ("y\n", False)])
def test_all_lists_every_artifact_with_its_bytes_and_asks(answer: str, is_kept: bool, workspace: Path) -> None:
    asked = CliRunner().invoke(cli, ["clean", "--all", "--workspace", str(workspace)], input=answer)
    assert f"bytes  {workspace / 'report' / 'a-00000023'}" in asked.stdout
    assert "Remove them?" in asked.stdout
    assert (workspace / "report" / "a-00000023").exists() == is_kept
    assert (asked.exit_code != 0) == (answer == "")


def test_all_removes_without_asking_where_that_is_said(workspace: Path) -> None:
    done = CliRunner().invoke(cli, ["clean", "--all", "--yes", "--workspace", str(workspace)])
    assert done.exit_code == 0
    assert "Remove them?" not in done.stdout
    assert not list(workspace.glob("*/*/manifest.json"))
