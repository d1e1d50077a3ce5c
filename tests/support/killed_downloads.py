"""Downloads that are killed at every step: python -m tests.support.killed_downloads READER URL FOLDER VIDEO -> JSON.

A fork of this process fills a folder of its own and is killed at its n-th contact with a file or a server, for n = 1,
2, 3 and so on, until one completes. Then another fork continues from what each left. The kill is like `kill -9`.
"""

import json
import os
import signal
import sys
from pathlib import Path

from tasks.config import Patience, Reader, RunOptions
from tasks.fetching.asking import new_client
from tasks.fetching.fill_folder import fill_folder
from tasks.fetching.sites import Site

EVENTS = frozenset({"open", "os.rename", "os.remove", "os.mkdir", "os.truncate", "socket.connect"})
PATIENCE = Patience(retries=1, first_wait_s=0.002, stall_s=2.0)


def fill(reader: Reader, url: str, folder: Path, video_id: str, kill_at: int | None) -> None:
    """Fill a folder. The process is killed at contact number `kill_at`, counted from 1, and ends in every case."""
    contacts = 0

    def contact() -> None:
        nonlocal contacts
        contacts += 1
        if contacts == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        if event in EVENTS and (event == "socket.connect" or str(folder) in str(arguments[0])):
            contact()

    sys.addaudithook(audit)
    options = RunOptions(mirror=url, patience=PATIENCE)
    failed = fill_folder(folder, Site(reader=reader, mirror=url), [video_id], options, lambda done, total: contact())
    os._exit(3 if failed else 0)


def exit_of(reader: Reader, url: str, folder: Path, video_id: str, kill_at: int | None) -> int:
    """Return how a fork that fills the folder ends: its status, or -9."""
    pid = os.fork()
    if pid == 0:
        fill(reader, url, folder, video_id, kill_at)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(reader: Reader, url: str, folder: str, video_id: str) -> None:
    new_client(PATIENCE).close()  # reads the certificates once for all forks
    rows = []
    for kill_at in range(1, 200):
        own = Path(folder) / str(kill_at)
        first = exit_of(reader, url, own, video_id, kill_at)
        left = [path.stat().st_size for path in own.rglob(video_id) if path.is_file()]
        then = exit_of(reader, url, own, video_id, None)
        rows.append({"kill_at": kill_at, "first": first, "left": left, "then": then})
        if first == 0:
            break
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])  # type: ignore[arg-type]
