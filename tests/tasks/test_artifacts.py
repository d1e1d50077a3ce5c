"""Artifacts: used again when nothing changed, rebuilt when something changed, continued item by item, never half
there.
"""

import errno
import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from modeling.atomic import FEW_FILES, sync_files
from tasks.artifacts.artifact import (
    Artifact,
    Outside,
    artifacts_of,
    damaged_files,
    digest_of,
    read_records,
    sha256_of,
    write_records,
)
from tasks.artifacts.building import find_or_build, running_options
from tasks.artifacts.failures import failed
from tasks.artifacts.work import Work
from tasks.config import RunOptions, SplitsConfig

ROOT = Path(__file__).resolve().parents[2]


class Squares:
    """A stage of three items. It writes a file for each item and remembers the items that it worked on."""

    def __init__(self, broken: tuple[str, ...] = (), *, transient: bool = False):
        self.broken = broken
        self.transient = transient
        self.worked_on: list[str] = []

    def __call__(self, work: Work, config: SplitsConfig, **inputs: object) -> None:
        for number in ("1", "2", "3"):
            key = digest_of([number, config.seed])
            if work.item_done(number, key):
                continue
            self.worked_on.append(number)
            if number in self.broken:
                row = {"number": number} | failed("broken", "It is broken.", transient=self.transient)
                work.finish_item(number, key, rejected=[row])
                continue
            (work.path / f"{number}.txt").write_text(str(int(number) ** 2 + config.seed))
            work.finish_item(number, key, kept=[{"number": number}], files=[f"{number}.txt"])
        work.write_rows(*work.collect())


def build(
    stage: Squares, workspace: Path, *, seed: int = 0, digest: str = "a", options: RunOptions | None = None
) -> tuple[Artifact, bool]:
    token = running_options.set(options)
    try:
        given = {"frames": Outside(location="x", digest=digest)}
        return find_or_build(stage, "splits", workspace, "demo", SplitsConfig(seed=seed), given)
    finally:
        running_options.reset(token)


def test_an_unchanged_rerun_runs_nothing(tmp_path: Path) -> None:
    first, cached = build(Squares(), tmp_path)
    again = Squares()
    second, cached_again = build(again, tmp_path)
    assert (cached, cached_again, again.worked_on) == (False, True, [])
    assert second.path == first.path


@pytest.mark.parametrize("change", [{"seed": 1}, {"digest": "b"}])
def test_a_changed_config_or_input_gives_another_artifact_beside_the_first(tmp_path: Path, change: dict) -> None:
    first, _ = build(Squares(), tmp_path)
    other, cached = build(Squares(), tmp_path, **change)
    assert not cached
    assert other.path != first.path
    assert first.path.is_dir()


def test_where_an_input_lies_does_not_matter(tmp_path: Path) -> None:
    build(Squares(), tmp_path)
    _, cached = find_or_build(
        Squares(), "splits", tmp_path, "other word", SplitsConfig(), {"frames": Outside(location="y", digest="a")}
    )
    assert cached


@pytest.mark.parametrize("harm", ["delete", "shorten", "alter"])
def test_a_deleted_or_altered_file_is_noticed_and_only_its_item_redone(tmp_path: Path, harm: str) -> None:
    whole, _ = build(Squares(), tmp_path)
    file = whole.path / "2.txt"
    if harm == "delete":
        file.unlink()
    else:
        file.write_text("" if harm == "shorten" else "5")
    assert damaged_files(whole) == ["2.txt"]
    again = Squares()
    mended, cached = build(again, tmp_path)
    assert (cached, again.worked_on) == (False, ["2"])
    assert mended.digest == whole.digest
    assert (mended.path / "2.txt").read_text() == "4"


def test_an_alteration_that_keeps_size_and_time_is_found_by_full_verification(tmp_path: Path) -> None:
    artifact, _ = build(Squares(), tmp_path)
    file = artifact.path / "2.txt"
    times = file.stat()
    file.write_text("7")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert damaged_files(artifact) == []
    assert damaged_files(artifact, full=True) == ["2.txt"]
    file.write_bytes(file.read_bytes() + b"1")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert damaged_files(artifact) == ["2.txt"], "another size is seen whatever the time says"


@pytest.mark.parametrize("harm", ["delete", "cut", "garble", "lead out"])
def test_a_list_of_files_that_is_not_whole_is_written_anew_and_no_item_redone(tmp_path: Path, harm: str) -> None:
    whole, _ = build(Squares(), tmp_path)
    file = whole.path / "files.jsonl"
    lines = file.read_text().splitlines(keepends=True)
    outside = tmp_path / "splits" / "not ours.txt"
    outside.write_text("kept")
    entry = json.dumps({"name": "../not ours.txt", "size": 0, "sha256": "", "mtime_ns": 0}) + "\n"
    harmed = {"cut": lines[:-1], "garble": [*lines[:-1], "{}\n"], "lead out": [*lines[:-1], entry]}
    if harm == "delete":
        file.unlink()
    else:
        file.write_text("".join(harmed[harm]))
    assert damaged_files(whole) == ["files.jsonl"]
    again = Squares()
    mended, _ = build(again, tmp_path)
    assert again.worked_on == []
    assert (mended.digest, list(mended.files())) == (whole.digest, list(whole.files()))
    assert outside.read_text() == "kept"


def test_a_list_of_files_that_names_other_digests_is_found_by_full_verification(tmp_path: Path) -> None:
    artifact, _ = build(Squares(), tmp_path)
    (artifact.path / "2.txt").write_text("7")
    entries = [dict(entry._asdict()) for entry in artifact.files()]
    for entry in entries:
        status = (artifact.path / entry["name"]).stat()
        entry |= {"mtime_ns": status.st_mtime_ns, "sha256": sha256_of(artifact.path / entry["name"])}
    (artifact.path / "files.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    assert damaged_files(artifact, full=True) == ["files.jsonl"]


RETRY = RunOptions(retry_failed=True)


def test_a_failed_item_is_counted_and_on_request_the_only_one_tried_again(tmp_path: Path) -> None:
    broken, _ = build(Squares(broken=("3",)), tmp_path)
    assert broken.manifest["counts"] == {"input": 3, "kept": 2, "filtered": {}, "failed": {"broken": 1}}
    assert [row["number"] for row in broken.rejected()] == ["3"]
    left = Squares()
    _, cached = build(left, tmp_path)
    assert (cached, left.worked_on) == (True, []), "nothing changed and nobody asked"
    again = Squares()
    mended, cached = build(again, tmp_path, options=RETRY)
    assert (cached, again.worked_on) == (False, ["3"])
    assert mended.manifest["counts"]["kept"] == 3


def test_a_failure_that_may_pass_is_tried_again_by_every_run(tmp_path: Path) -> None:
    build(Squares(broken=("3",), transient=True), tmp_path)
    again = Squares()
    mended, cached = build(again, tmp_path)
    assert (cached, again.worked_on, mended.num_failed) == (False, ["3"], 0)


def test_an_item_that_fails_again_leaves_the_artifact_as_it_was(tmp_path: Path) -> None:
    before, _ = build(Squares(broken=("3",)), tmp_path)
    there = before.path.stat().st_ino
    after, unchanged = build(Squares(broken=("3",)), tmp_path, options=RETRY)
    assert unchanged
    assert (after.digest, after.path.stat().st_ino) == (before.digest, there)
    assert not list(tmp_path.glob("splits/*.partial"))


def test_a_failed_item_is_not_tried_again_where_other_items_changed(tmp_path: Path) -> None:
    build(Squares(broken=("3",)), tmp_path, digest="a")
    again = Squares()
    artifact, _ = build(again, tmp_path, digest="b")
    assert (again.worked_on, artifact.num_failed) == ([], 1)


def test_a_stage_that_is_to_be_refreshed_does_all_items_and_takes_the_place_of_the_old(tmp_path: Path) -> None:
    before, _ = build(Squares(), tmp_path)
    again = Squares()
    after, cached = build(again, tmp_path, options=RunOptions(refresh=("splits",)))
    assert (cached, again.worked_on, after.path) == (False, ["1", "2", "3"], before.path)


def test_items_of_all_finished_artifacts_are_taken_not_of_the_newest_alone(tmp_path: Path) -> None:
    build(Squares(), tmp_path, seed=1, digest="a")
    build(Squares(), tmp_path, seed=2, digest="b")
    again = Squares()
    build(again, tmp_path, seed=1, digest="c")
    assert again.worked_on == []


def test_where_there_are_no_hard_links_files_are_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    build(Squares(), tmp_path, digest="a")
    monkeypatch.setattr(os, "link", refuse)
    again = Squares()
    artifact, _ = build(again, tmp_path, digest="b")
    assert again.worked_on == []
    assert (artifact.path / "3.txt").read_text() == "9"
    assert (artifact.path / "3.txt").stat().st_nlink == 1


def test_an_item_whose_file_was_altered_in_an_older_artifact_is_not_taken(tmp_path: Path) -> None:
    older, _ = build(Squares(), tmp_path, digest="a")
    (older.path / "2.txt").write_text("5")
    again = Squares()
    build(again, tmp_path, digest="b")
    assert again.worked_on == ["2"]


def test_files_of_an_item_are_on_the_disk_before_its_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    sync, replace = os.fsync, os.replace

    def noted_sync(descriptor: int) -> None:
        order.append(Path(os.readlink(f"/proc/self/fd/{descriptor}")).name)
        sync(descriptor)

    def noted_replace(source: Path, target: Path) -> None:
        order.append(f"record {json.loads(Path(target if Path(target).exists() else source).read_bytes())['item']}")
        replace(source, target)

    work = Work(stage="splits", path=tmp_path, label="demo", options=RunOptions(), on_progress=None)
    (tmp_path / "2.txt").write_text("4")
    monkeypatch.setattr(os, "fsync", noted_sync)
    monkeypatch.setattr(os, "replace", noted_replace)
    work.finish_item("2", "", kept=[{"number": "2"}], files=["2.txt"])
    assert order.index("2.txt") < order.index(tmp_path.name) < order.index("record 2")


def test_a_record_that_a_power_cut_left_half_is_no_record(tmp_path: Path) -> None:
    work = Work(stage="splits", path=tmp_path, label="demo", options=RunOptions(), on_progress=None)
    work.finish_item("2", "")
    [record] = tmp_path.glob("items/*.json")
    assert work.item_done("2", "")
    record.write_bytes(record.read_bytes()[:9])
    assert not work.item_done("2", "")


def test_items_of_an_older_artifact_stand_in_for_equal_ones(tmp_path: Path) -> None:
    build(Squares(), tmp_path, digest="a")
    again = Squares()
    artifact, cached = build(again, tmp_path, digest="b")
    assert (cached, again.worked_on) == (False, [])
    assert (artifact.path / "3.txt").read_text() == "9"


def test_records_list_the_items_in_the_order_asked_for_however_often_it_was_cut_off(tmp_path: Path) -> None:
    class CutOff(Squares):
        def __call__(self, work: Work, config: SplitsConfig, **inputs: object) -> None:
            work.item_done("3", digest_of(["3", 0]))
            (work.path / "3.txt").write_text("9")
            work.finish_item("3", digest_of(["3", 0]), kept=[{"number": "3"}], files=["3.txt"])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(CutOff(), tmp_path)
    assert artifacts_of(tmp_path, "splits") == []
    resumed = Squares()
    artifact, _ = build(resumed, tmp_path)
    assert resumed.worked_on == ["1", "2"]
    assert [record["number"] for record in artifact.records()] == ["1", "2", "3"]


def test_scratch_files_are_kept_but_do_not_change_the_digest(tmp_path: Path) -> None:
    class Logging(Squares):
        def __init__(self, text: str):
            super().__init__()
            self.text = text

        def __call__(self, work: Work, config: SplitsConfig, **inputs: object) -> None:
            super().__call__(work, config)
            work.scratch.add("logs")
            (work.path / "logs").mkdir(exist_ok=True)
            (work.path / "logs" / "time.txt").write_text(self.text)

    first, _ = build(Logging("1 s"), tmp_path / "a")
    second, _ = build(Logging("2 s"), tmp_path / "b")
    assert first.digest == second.digest
    assert (second.path / "logs" / "time.txt").read_text() == "2 s"
    (second.path / "logs" / "time.txt").unlink()
    assert damaged_files(second, full=True) == []


STAGE_IN_A_PROCESS = """
    import os, resource, signal, sys
    from pathlib import Path
    from tests.tasks.test_artifacts import Squares, build

    class Dying(Squares):
        def __call__(self, work, config, **inputs):
            work.progress = lambda *_: None
            finish = work.finish_item
            def finish_item(item, key, **rows):
                if item == "2" and sys.argv[2] == "kill":
                    os.kill(os.getpid(), signal.SIGKILL)
                if item == "2" and sys.argv[2] == "full":
                    resource.setrlimit(resource.RLIMIT_FSIZE, (64, 64))
                    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                    (work.path / "2.txt").write_bytes(b"0" * 1000)
                finish(item, key, **rows)
            work.finish_item = finish_item
            super().__call__(work, config)

    build(Dying(), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("death", ["kill", "full"])
def test_a_killed_stage_and_a_full_disk_keep_what_was_finished(tmp_path: Path, death: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(STAGE_IN_A_PROCESS), str(tmp_path), death],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == (-signal.SIGKILL if death == "kill" else 1)
    if death == "full":
        assert "make room" in done.stderr
    assert artifacts_of(tmp_path, "splits") == []
    resumed = Squares()
    artifact, _ = build(resumed, tmp_path)
    assert resumed.worked_on == ["2", "3"]
    undisturbed, _ = build(Squares(), tmp_path / "other")
    assert artifact.digest == undisturbed.digest


def test_the_manifest_is_plain_json_and_names_key_config_inputs_and_versions(tmp_path: Path) -> None:
    artifact, _ = build(Squares(), tmp_path)
    manifest = json.loads((artifact.path / "manifest.json").read_text())
    assert manifest["config"]["num_test"] == 500
    assert manifest["inputs"] == {"frames": {"outside": "x", "digest": "a"}}
    assert {"torch", "prefect"} <= set(manifest["packages"])
    assert {entry.name for entry in artifact.files()} == {"1.txt", "2.txt", "3.txt", "records.jsonl", "rejected.jsonl"}


def test_an_artifact_of_many_files_lists_and_syncs_them_all(tmp_path: Path) -> None:
    def many(work: Work, config: SplitsConfig, **inputs: object) -> None:
        (work.path / "pictures").mkdir()
        for number in range(2 * FEW_FILES):
            (work.path / "pictures" / f"{number}.txt").write_text(str(number))
        work.write_rows([])

    artifact, _ = find_or_build(many, "splits", tmp_path, "demo", SplitsConfig(), {})
    assert len(list(artifact.files())) == artifact.manifest["num_files"] == 2 * FEW_FILES + 2
    assert damaged_files(artifact, full=True) == []


def test_files_that_cannot_be_synced_are_an_error(tmp_path: Path) -> None:
    for number_of_files in (1, 2 * FEW_FILES):
        with pytest.raises(FileNotFoundError):
            sync_files(tmp_path / "gone", [f"{number}.txt" for number in range(number_of_files)])


def test_records_come_back_as_they_were_written(tmp_path: Path) -> None:
    rows = [{"instruction": "take out “jalapeño”\nfrom\tfridge\u2028", "start_s": 0.1}, {"n": None}] * 1_001
    write_records(tmp_path / "rows.jsonl", rows)
    assert list(read_records(tmp_path / "rows.jsonl")) == rows
