"""Items in worker processes: whatever happens to one of them is its own failure, and the others are done."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.artifacts import map_items as pool
from tasks.artifacts.failures import ends_the_run, ends_the_stage
from tasks.artifacts.map_items import Failure, map_items
from tasks.artifacts.processes import NO_GUARD
from tasks.fetching.remote_video import FetchError
from tests.support.commands import ROOT


def work(item: str) -> str:
    """Do what the item's name says."""
    actions = {
        "memory": MemoryError,
        "crash": lambda: os.kill(os.getpid(), signal.SIGSEGV),
        "kill": lambda: os.kill(os.getpid(), signal.SIGKILL),
        "exit": lambda: os._exit(7),
        "stop": lambda: os.kill(os.getpid(), signal.SIGSTOP),
        "sleep": lambda: time.sleep(600),
        "index": lambda: [].__getitem__(3),
        "server": lambda: _fail(FetchError("unreachable", "away")),
        "lines": lambda: _fail(RuntimeError("first\nsecond")),
        "library": lambda: exec("assert False", {}),
        "full": lambda: _fail(OSError(errno.ENOSPC, "No space left")),
        "ours": lambda: _fail(AssertionError("never")),
    }
    for error in (actions.get(item, lambda: None)(),):
        if isinstance(error, BaseException):
            raise error
    return item.upper()


def _fail(error: BaseException) -> None:
    raise error


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "LOOK_EVERY_S", 0.1)


def outcomes(*items: str, **options: float) -> dict[str, object]:
    return dict(map_items(work, items, workers=1, **options))  # type: ignore[arg-type]


def threads_of_numpy(item: str) -> str | None:
    return os.environ.get("OPENBLAS_NUM_THREADS")


def broken_for_all(item: str) -> None:
    raise ends_the_stage(ValueError(f"{item}: no editor"))


@pytest.mark.parametrize("here", [True, False])
def test_an_error_that_no_item_causes_is_raised_as_it_is(here: bool) -> None:
    with pytest.raises(ValueError, match="a: no editor"):
        list(map_items(broken_for_all, ["a", "b"], workers=1, here=here))


def test_work_here_has_the_same_outcomes_in_this_process() -> None:
    here = dict(map_items(work, ["a", "memory", "index"], here=True))
    away = outcomes("a", "memory", "index")
    assert here == away
    assert list(map_items(pid_of, ["a"], here=True)) == [("a", os.getpid())]


def pid_of(item: str) -> int:
    return os.getpid()


def test_every_item_but_the_bad_ones_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "STOPPED_LOOKS", 5)
    bad = ["memory", "crash", "kill", "exit", "stop", "index", "server", "lines", "library"]
    items = [item for name in bad for item in (name, f"good {name}")]
    results = outcomes(*items)
    assert {name: results[name] for name in items if name not in bad} == {
        f"good {name}": f"GOOD {name.upper()}" for name in bad
    }
    failures = {name: results[name] for name in bad}
    assert all(isinstance(failure, Failure) for failure in failures.values())
    told = {name: (failure.reason, failure.transient) for name, failure in failures.items()}  # type: ignore[attr-defined]
    assert told == {
        "memory": ("MemoryError", True),
        "crash": ("crashed", False),
        "kill": ("killed", True),
        "exit": ("crashed", False),
        "stop": ("timed_out", False),
        "index": ("IndexError", False),
        "server": ("unreachable", True),
        "lines": ("RuntimeError", False),
        "library": ("AssertionError", False),
    }
    messages = {name: failure.message for name, failure in failures.items()}  # type: ignore[attr-defined]
    assert messages["index"] == "IndexError: list index out of range"
    assert messages["lines"] == "RuntimeError: first"
    assert "signal 11" in messages["crash"]
    assert "out of memory" in messages["kill"]


def test_an_item_that_takes_longer_than_its_limit_is_ended_and_the_next_goes_on() -> None:
    began = time.monotonic()
    results = outcomes("sleep", "a", limit_s=1.0)
    assert results["a"] == "A"
    assert results["sleep"] == Failure("timed_out", "took more than 1 s; the process was ended")
    assert time.monotonic() - began < 60


def test_a_full_disk_ends_the_run() -> None:
    with pytest.raises(OSError, match="No space left"):
        outcomes("full", "a")


def test_assertions_of_our_own_code_end_the_run_and_those_of_libraries_do_not(tmp_path: Path) -> None:

    def caught(source: str, file: str) -> AssertionError:
        try:
            exec(compile(source, file, "exec"), {})
        except AssertionError as error:
            return error
        raise RuntimeError

    ours = str(Path(pool.__file__).resolve())
    assert ends_the_run(caught("assert False", ours))
    assert not ends_the_run(caught("assert False", "/usr/lib/python3/site-packages/av/frame.py"))
    assert ends_the_run(KeyboardInterrupt())
    assert not ends_the_run(MemoryError())


def test_processes_that_cannot_start_are_an_error_and_no_items_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_work", os.abort)
    with pytest.raises(OSError, match="No worker process can be started"):
        outcomes("a")


UNGUARDED = """
from pathlib import Path
from tasks.artifacts.locks import locked
from tasks.artifacts.map_items import map_items
try:
    with locked(Path("stage.lock")):
        print(list(map_items(str.upper, ["a", "b"], workers=2)))
except OSError as error:
    print("told:", error)
"""


@pytest.mark.parametrize("script", [UNGUARDED, UNGUARDED.replace('locked(Path("stage.lock"))', "open(__file__)")])
def test_a_script_without_a_main_guard_is_told_so_and_does_not_hang(tmp_path: Path, script: str) -> None:
    (tmp_path / "script.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "script.py"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == f"told: {NO_GUARD}\n", done.stderr
    assert "Traceback" not in done.stderr


GUARDED = """
from tasks.artifacts.map_items import map_items
if __name__ == "__main__":
    print(list(map_items(str.upper, ["a"])))
"""


def test_worker_processes_import_nothing_from_the_current_folder(tmp_path: Path) -> None:
    """Workers begin by `python -c`, which would import from there.

    No command of ours has set the environment in this test.
    """
    script, here = tmp_path / "script.py", tmp_path / "here"
    script.write_text(GUARDED)
    here.mkdir()
    (here / "multiprocessing.py").write_text("open('CODE_RAN', 'w')\nraise SystemExit")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    environment["PYTHONPATH"] = str(ROOT)
    command = [sys.executable, str(script)]
    done = subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "[('a', 'A')]\n", done.stderr
    assert not (here / "CODE_RAN").exists()


def test_a_process_that_never_gets_ready_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_work", _never_ready)
    monkeypatch.setattr(pool, "START_LIMIT_S", 0.5)
    with pytest.raises(OSError, match="not ready after"):
        outcomes("a")


def _never_ready(*_: object) -> None:
    time.sleep(600)


def test_workers_multiply_in_one_thread_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    assert list(map_items(threads_of_numpy, ["a"], workers=1)) == [("a", "1")]
    assert "OPENBLAS_NUM_THREADS" not in os.environ
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert list(map_items(threads_of_numpy, ["a"], workers=1)) == [("a", None)]
