"""A workspace that somebody sent is data: whatever lies in it, nothing outside of it is read, written or removed."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from modeling import atomic
from modeling.atomic import atomic_file, atomic_folder, write_bytes, write_json
from modeling.json_text import parse_json
from tasks.artifacts.artifact import Artifact, artifacts_of, damaged_files, find_artifact
from tasks.artifacts.building import StageFailed
from tasks.artifacts.inside import inside, remove_inside
from tasks.artifacts.locks import runs_at_work
from tasks.artifacts.manifest import is_made_here
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import DatasetConfig
from tests.support.commands import environment, run

OUTSIDE = (
    "../x",
    "/etc/passwd",
    "a/../../x",
    "a//x",
    "./x",
    "",
    "a/",
    "a\\x",
    "x\0y",
    "\ud800",
    "x" * 300,
    None,
    7,
    [],
)


@stage
def verdicts(work: Work, config: DatasetConfig) -> None:
    """Stand in for a stage whose items write one file each."""
    (work.path / "pictures").mkdir(exist_ok=True)
    for item in ("a", "b"):
        if not work.item_done(item, "k"):
            write_bytes(work.path / "pictures" / f"{item}.txt", item.encode())
            work.finish_item(item, "k", kept=[{"segment_id": item}], files=[f"pictures/{item}.txt"])
    work.write_rows(*work.collect())


def built(workspace: Path, label: str = "table", **changes: object) -> Artifact:
    return verdicts.run(workspace, label, DatasetConfig(**changes))  # type: ignore[arg-type]


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Return a file outside of the workspace that must stay unchanged."""
    path = tmp_path / "photos" / "victim.txt"
    path.parent.mkdir()
    path.write_text("precious")
    return path


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_recorded_name_that_leads_elsewhere_is_refused(name: object, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"leads out|no name|too long"):
        inside(tmp_path, name)


def test_a_recorded_name_over_a_link_is_refused_and_only_the_link_can_be_removed(tmp_path: Path, victim: Path) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "images").symlink_to(victim.parent)
    with pytest.raises(ValueError, match="is a link"):
        inside(folder, "images/victim.txt")
    remove_inside(folder, "images/victim.txt")
    assert not (folder / "images").is_symlink()
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    "name", ["../../../photos/victim.txt", "link/victim.txt", "pictures/../../../../photos/victim.txt"]
)
def test_an_item_whose_record_names_a_file_elsewhere_counts_as_not_done(
    tmp_path: Path, victim: Path, name: str
) -> None:
    first = built(tmp_path / "w")
    for path in (first.path / "items").glob("*.json"):
        item = json.loads(path.read_text())
        item["files"] = {name: victim.stat().st_size}
        path.write_text(json.dumps(item))
    (first.path / "link").symlink_to(victim.parent)
    second = built(tmp_path / "w", num_shown_pairs=3)
    assert second.manifest["items"] == {"total": 2, "run": 2}
    assert victim.read_text() == "precious"
    assert victim.stat().st_nlink == 1


@pytest.mark.parametrize("content", ["{}", "[]", "null", "[" * 100_000, '{"key": 1}', "\xff", '{"item": "\\ud800"}'])
def test_an_item_record_that_is_none_counts_as_not_done(tmp_path: Path, content: str) -> None:
    first = built(tmp_path / "w")
    for path in (first.path / "items").glob("*.json"):
        path.write_text(content, encoding="latin-1")
    assert built(tmp_path / "w", num_shown_pairs=3).manifest["items"] == {"total": 2, "run": 2}


@pytest.mark.parametrize("content", ["{}", "[]", "null", "3", "[" * 100_000, '"x"', "\xff"])
def test_a_manifest_that_is_none_is_named_in_one_line(tmp_path: Path, content: str) -> None:
    artifact = built(tmp_path)
    (artifact.path / "manifest.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"manifest\.json: no manifest of an artifact"):
        Artifact.read(artifact.path)
    done = run("status", "--workspace", str(tmp_path), cwd=tmp_path, expect=1)
    assert "manifest.json: no manifest of an artifact" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize("key", ["/../../a", "../x", "", "A" * 64, "a" * 65, "\n" + "a" * 63, "a" * 64 + "\n"])
def test_a_key_that_would_lead_elsewhere_is_refused(tmp_path: Path, key: str) -> None:
    """The text becomes part of the names of pages and of places in a store."""
    artifact = built(tmp_path)
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    (artifact.path / "manifest.json").write_text(json.dumps(manifest | {"key": key}))
    with pytest.raises(ValueError, match="its key is none"):
        Artifact.read(artifact.path)


def test_a_damaged_file_behind_a_link_is_no_reason_to_touch_what_it_leads_to(tmp_path: Path, victim: Path) -> None:
    artifact = built(tmp_path / "w")
    (artifact.path / "pictures" / "a.txt").unlink()
    (artifact.path / "pictures" / "b.txt").unlink()
    (artifact.path / "pictures").rmdir()
    (artifact.path / "pictures").symlink_to(victim.parent)
    (victim.parent / "a.txt").write_text("a")
    assert set(damaged_files(artifact)) == {"pictures/a.txt", "pictures/b.txt"}
    again = built(tmp_path / "w")
    assert not damaged_files(again)
    assert sorted(path.name for path in victim.parent.iterdir()) == ["a.txt", "victim.txt"]


def test_links_in_work_that_was_cut_off_are_not_followed(tmp_path: Path, victim: Path) -> None:
    final = built(tmp_path / "w").path
    partial = final.with_name(final.name + ".partial")
    final.rename(partial)
    (partial / "manifest.json").unlink()
    for name in ("pictures", "items"):
        for path in (partial / name).iterdir():
            path.unlink()
        (partial / name).rmdir()
        (partial / name).symlink_to(victim.parent)
    (partial / "records.jsonl").unlink()
    (partial / "records.jsonl").symlink_to(victim)
    (partial / ".records.jsonl.writing").symlink_to(victim)
    assert built(tmp_path / "w").manifest["counts"]["kept"] == 2
    assert [path.name for path in victim.parent.iterdir()] == ["victim.txt"]
    assert victim.read_text() == "precious"


def test_a_stage_folder_or_lock_that_is_a_link_is_refused(tmp_path: Path, victim: Path) -> None:
    workspace = tmp_path / "w"
    artifact = built(workspace)
    key = artifact.manifest["key"]
    (workspace / "verdicts" / f"{key[:8]}.lock").unlink()
    (workspace / "verdicts" / f"{key[:8]}.lock").symlink_to(victim)
    (artifact.path / "records.jsonl").unlink()
    with pytest.raises(StageFailed, match="lock"):
        built(workspace)
    assert victim.read_text() == "precious"
    (workspace / "verdicts").rename(tmp_path / "elsewhere")
    (workspace / "verdicts").symlink_to(tmp_path / "elsewhere")
    assert find_artifact(workspace, "verdicts", key) is None
    assert artifacts_of(workspace, "verdicts") == []
    with pytest.raises(StageFailed, match="is a link"):
        built(workspace)
    (workspace / ".runs").rmdir() if (workspace / ".runs").is_dir() else None
    (workspace / ".runs").symlink_to(victim.parent)
    with pytest.raises(ValueError, match="is a link"):
        runs_at_work(workspace)


def test_clean_removes_only_what_is_ours_and_follows_no_link(tmp_path: Path, victim: Path) -> None:
    workspace = tmp_path / "w"
    artifact = built(workspace)
    (workspace / "frames").symlink_to(tmp_path)
    (tmp_path / "summer-2020").mkdir()
    (workspace / "splits" / "my-notes").mkdir(parents=True)
    (workspace / "splits" / "my-notes" / "manifest.json").write_text('{"name": "a web app"}')
    (workspace / "verdicts" / "linked-0000").symlink_to(victim.parent)
    run("clean", "--all", "--yes", "--workspace", str(workspace), cwd=tmp_path)
    assert not artifact.path.exists()
    assert (tmp_path / "summer-2020").is_dir()
    assert (workspace / "splits" / "my-notes").is_dir()
    assert victim.read_text() == "precious"
    assert not is_made_here(workspace / "splits" / "my-notes")


def test_temporary_names_cannot_be_known_beforehand(tmp_path: Path, victim: Path) -> None:
    for name in (".a.json.writing", ".a.json.part"):
        (tmp_path / name).symlink_to(victim)
    names = []
    for _ in range(2):
        with atomic_file(tmp_path / "a.json") as temporary:
            names.append(temporary.name)
            temporary.write_text("{}")
    assert names[0] != names[1]
    assert victim.read_text() == "precious"


def killed_while_writing(path: Path) -> Path:
    """Return the file that a process leaves when it is killed between its write and its rename."""
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom modeling.atomic import atomic_file\n"
        "with atomic_file(Path(sys.argv[1])) as temporary:\n    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], env=environment(None), check=False)
    [left] = path.parent.glob(".*.writing")
    return left


def test_what_a_killed_writer_left_goes_at_the_next_write_and_nothing_else(tmp_path: Path, victim: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    left = killed_while_writing(folder / "a.json")
    machine, pid = re.fullmatch(r"\.a\.json\.([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.writing", left.name).groups()  # type: ignore[union-attr]
    with atomic_file(folder / "probe") as temporary:
        alive = temporary.name
        temporary.write_text("")
        assert not left.exists()
        sweep_again(folder)
        assert temporary.exists(), "its writer is alive"
    assert machine in alive
    kept = {
        "of-another-machine": f".b.00000000-{pid}-{'0' * 16}.writing",
        "not-ours": ".c.writing",
        "of-an-older-version": f".d.{'0' * 16}.writing",
        "a-link": f".e.{machine}-{pid}-{'0' * 16}.writing",
        "a-folder": f".f.{machine}-{pid}-{'0' * 16}.writing",
    }
    for what, name in kept.items():
        if what == "a-link":
            (folder / name).symlink_to(victim)
        elif what == "a-folder":
            (folder / name).mkdir()
        else:
            (folder / name).write_text("x")
    old = folder / f".g.00000000-{pid}-{'0' * 16}.writing"
    old.write_text("x")
    os.utime(old, (0, 0))
    sweep_again(folder)
    assert not old.exists()
    assert {path.name for path in folder.glob(".*")} == set(kept.values())
    assert victim.read_text() == "precious"


def sweep_again(folder: Path) -> None:
    """Sweep the folder as another process would."""
    atomic._swept.clear()
    atomic.sweep(folder)


def test_names_as_long_as_the_disk_allows_are_written(tmp_path: Path) -> None:
    for name in ("n" * 255, "é" * 127, "日" * 85):
        write_json(tmp_path / name, {})
        assert (tmp_path / name).is_file()


def test_a_folder_that_another_made_is_replaced_by_none(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.txt").write_text("x")
    with pytest.raises(FileExistsError, match="would be replaced"), atomic_folder(tmp_path / "docs"):
        raise AssertionError("work was begun")
    with pytest.raises(FileExistsError), atomic_folder(tmp_path / "docs", replaces="model_index.json"):
        raise AssertionError("work was begun")
    (tmp_path / "docs" / "model_index.json").write_text("{}")
    with atomic_folder(tmp_path / "docs", replaces="model_index.json") as folder:
        (folder / "new").write_text("")
    assert os.listdir(tmp_path / "docs") == ["new"]


def test_the_starting_editor_is_not_built_over_what_is_there(tmp_path: Path) -> None:
    from tasks.starting_editor.build import build_starting_editor

    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "thesis.txt").write_text("x")
    with pytest.raises(FileExistsError, match="docs is there already"):
        build_starting_editor(tmp_path / "docs", steps=3)
    assert (tmp_path / "docs" / "thesis.txt").read_text() == "x"
    assert os.listdir(tmp_path) == ["docs"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 50_000, '"\\ud800"', "{", "1" * 5_000, "\ud800"])
def test_json_gives_a_value_or_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
    assert parse_json('"\\ud83d\\ude00"') == "\U0001f600"


def test_training_replaces_no_pipeline_that_another_run_made(tmp_path: Path) -> None:
    from modeling.runs.checkpoint import check_out

    check_out(tmp_path)
    (tmp_path / "pipeline").mkdir()
    (tmp_path / "pipeline" / "model_index.json").write_text("{}")
    with pytest.raises(FileExistsError, match="pipeline is there already"):
        check_out(tmp_path)
    (tmp_path / "checkpoints").mkdir()
    check_out(tmp_path)
