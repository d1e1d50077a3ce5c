"""A workspace that several runs share: locks wait, artifacts never disappear, holders of locks can die."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tasks.artifacts.again import remove_unless_locked
from tasks.artifacts.artifact import Artifact, artifacts_of, read_records
from tasks.artifacts.building import InputChanged, find_or_build, running_options
from tasks.artifacts.leases import take_lease
from tasks.artifacts.locks import at_work, holder_of, locked, locked_now, running_as, runs_at_work
from tasks.artifacts.work import Work
from tasks.config import RunOptions, SplitsConfig
from tests.support.commands import ROOT, run, wait_until
from tests.support.watchers import watched
from tests.tasks.test_artifacts import RETRY, Squares, build

SLOW_STAGE = """
    import sys, time
    from pathlib import Path
    from tests.tasks.test_artifacts import Squares, build

    class Slow(Squares):
        def __call__(self, work, config, **inputs):
            Path(sys.argv[2]).write_text("begun")
            time.sleep(float(sys.argv[3]))
            super().__call__(work, config)

    stage = Slow()
    print(build(stage, Path(sys.argv[1]))[1], stage.worked_on)
"""


def start(workspace: Path, *arguments: str, **environment: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(SLOW_STAGE), str(workspace), *arguments],
        cwd=ROOT,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("locks", ["", "lease"], ids=["flock", "lease"])
def test_of_two_equal_runs_one_builds_and_the_other_waits_and_finds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: str
) -> None:
    monkeypatch.setenv("EDITACTION_LOCKS", locks)
    first = start(tmp_path / "w", str(tmp_path / "begun"), "1.5", EDITACTION_LOCKS=locks)
    assert wait_until((tmp_path / "begun").exists, within_s=60)
    second = Squares()
    with watched() as log:
        artifact, cached = build(second, tmp_path / "w")
    assert (cached, second.worked_on) == (True, [])
    assert log.waited_for == [f"a command (pid {first.pid} on {os.uname().nodename})"]
    assert first.communicate(timeout=60)[0] == "False ['1', '2', '3']\n"
    assert len(artifacts_of(tmp_path / "w", "splits")) == 1
    assert artifact.num_failed == 0


@pytest.mark.parametrize("locks", ["", "lease"], ids=["flock", "lease"])
def test_a_killed_holder_frees_the_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, locks: str) -> None:
    monkeypatch.setenv("EDITACTION_LOCKS", locks)
    first = start(tmp_path / "w", str(tmp_path / "begun"), "600", EDITACTION_LOCKS=locks)
    assert wait_until((tmp_path / "begun").exists, within_s=60)
    [file] = (tmp_path / "w" / "splits").glob("*.lock*")
    lock = file.with_suffix(".lock") if locks == "" else file.with_suffix("")
    holder = holder_of(lock)
    assert holder is not None
    assert holder.pid == first.pid
    first.send_signal(signal.SIGKILL)
    first.wait()
    began = time.monotonic()
    _, cached = build(Squares(), tmp_path / "w")
    assert not cached
    assert time.monotonic() - began < 5
    assert holder_of(lock) is None


def test_a_lease_of_another_machine_is_dead_when_nobody_touches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.artifacts.leases.DEAD_AFTER_S", 0.3)
    lease = tmp_path / "a.lock.held"
    lease.write_text(json.dumps({"run": "r", "host": "elsewhere", "pid": 1, "token": "t"}))
    assert take_lease(lease, {"run": "me"}) == {"run": "r", "host": "elsewhere", "pid": 1}
    time.sleep(0.2)
    os.utime(lease)
    assert isinstance(take_lease(lease, {"run": "me"}), dict), "its holder lives"
    time.sleep(0.4)
    assert not isinstance(take_lease(lease, {"run": "me"}), dict)


def test_a_run_of_a_machine_that_is_gone_holds_up_no_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.artifacts.leases.DEAD_AFTER_S", 0.8)
    path, _ = build(Squares(), tmp_path)
    partial = path.path.with_name("demo-0123abcd.partial")
    partial.mkdir()
    leases = [tmp_path / "splits" / "0123abcd.lock.held", tmp_path / ".runs" / "elsewhere-1-0.lock.held"]
    for lease in leases:
        lease.parent.mkdir(exist_ok=True)
        lease.write_text(json.dumps({"run": "r", "host": "elsewhere", "pid": 1, "token": "t"}))
    monkeypatch.setenv("EDITACTION_LOCKS", "lease")
    done = threading.Event()

    def live() -> None:
        while not done.wait(0.1):
            for lease in leases:
                os.utime(lease)

    alive = threading.Thread(target=live)
    alive.start()
    try:
        assert [str(holder) for holder in runs_at_work(tmp_path)] == ["r (pid 1 on elsewhere)"]
        assert str(remove_unless_locked(partial)) == "r (pid 1 on elsewhere)"
    finally:
        done.set()
        alive.join()
    assert runs_at_work(tmp_path) == []
    assert remove_unless_locked(partial) is None
    assert not partial.exists()
    assert not any(lease.exists() for lease in leases)


def test_a_lock_names_the_run_that_holds_it_and_follows_no_link(tmp_path: Path) -> None:
    token = running_as.set("demo-7")
    with locked(tmp_path / "a.lock"), locked_now(tmp_path / "a.lock") as holder:
        assert str(holder) == f"demo-7 (pid {os.getpid()} on {os.uname().nodename})"
    running_as.reset(token)
    (tmp_path / "theirs").write_text("kept")
    (tmp_path / "b.lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="symbolic links"), locked(tmp_path / "b.lock"):
        pass
    assert (tmp_path / "theirs").read_text() == "kept"


def test_a_reader_never_fails_while_the_artifact_is_rebuilt(tmp_path: Path) -> None:
    path = build(Squares(broken=("3",)), tmp_path)[0].path
    problems: list[BaseException] = []
    rounds, done = 0, threading.Event()

    def read() -> None:
        nonlocal rounds
        while not done.is_set():
            try:
                for row in Artifact.read(path).records():
                    assert (path / f"{row['number']}.txt").read_text()
                rounds += 1
            except BaseException as error:
                problems.append(error)
                return

    reader = threading.Thread(target=read)
    reader.start()
    build(Squares(), tmp_path, options=RETRY)
    for _ in range(8):
        build(Squares(), tmp_path, options=RunOptions(refresh=("splits",)))
    done.set()
    reader.join()
    assert not problems
    assert rounds > 8
    assert not list((tmp_path / "splits").glob(".*"))


def test_what_was_read_from_an_input_that_changed_meanwhile_is_thrown_away(tmp_path: Path) -> None:
    source, _ = build(Squares(broken=("3",)), tmp_path)

    def copy(work: Work, config: SplitsConfig, *, frames: Artifact) -> None:
        rows = list(frames.records())
        build(Squares(), tmp_path, options=RETRY)
        work.write_rows(rows)

    with pytest.raises(InputChanged, match="frames"):
        find_or_build(copy, "shards", tmp_path, "demo", SplitsConfig(), {"frames": source})
    assert artifacts_of(tmp_path, "shards") == []
    assert not list(tmp_path.glob("shards/*.partial"))


def test_a_damaged_artifact_is_rebuilt_beside_and_its_readers_files_stay(tmp_path: Path) -> None:
    whole, _ = build(Squares(), tmp_path)
    (whole.path / "2.txt").unlink()
    seen: list[bool] = []

    class Watching(Squares):
        def __call__(self, work: Work, config: SplitsConfig, **inputs: object) -> None:
            seen.append(all((whole.path / name).is_file() for name in ("manifest.json", "1.txt", "records.jsonl")))
            super().__call__(work, config)

    stage = Watching()
    mended, _ = build(stage, tmp_path)
    assert (seen, stage.worked_on, mended.path) == ([True], ["2"], whole.path)
    assert [row["number"] for row in read_records(mended.path / "records.jsonl")] == ["1", "2", "3"]
    assert running_options.get() is None


def test_clean_leaves_what_a_run_is_building_and_says_who(tmp_path: Path) -> None:
    first = start(tmp_path / "w", str(tmp_path / "begun"), "600")
    assert wait_until((tmp_path / "begun").exists, within_s=60)
    kept = run("clean", "--workspace", "w", cwd=tmp_path)
    assert "0 folders removed" in kept.stdout
    assert f"pid {first.pid}" in kept.stdout
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert "1 folders removed" in run("clean", "--workspace", "w", cwd=tmp_path).stdout


def test_finished_artifacts_are_not_removed_under_a_run_that_may_read_them(tmp_path: Path) -> None:
    build(Squares(), tmp_path / "w")
    with at_work(tmp_path / "w"):
        refused = run("clean", "--all", "--yes", "--workspace", "w", cwd=tmp_path, expect=1)
        assert f"pid {os.getpid()}" in refused.stderr
    assert "1 folders removed" in run("clean", "--all", "--yes", "--workspace", "w", cwd=tmp_path).stdout
