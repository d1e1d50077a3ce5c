"""Locks for file systems without `flock`: a file that only one process can create, and that its holder touches
regularly.

A lease is dead when its holder's process on this machine has ended, or when nobody has touched it for `DEAD_AFTER_S` by
the clock of the waiting process: clocks of two machines may differ.
"""

import contextlib
import json
import os
import secrets
import socket
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TOUCH_EVERY_S = 5.0
DEAD_AFTER_S = 60.0
LOOK_EVERY_S = 0.2
"""Seconds between two checks while a run waits for a sign of life."""

_seen: dict[Path, tuple[tuple[int, str], float]] = {}
"""Last seen state (time of touch, holder) of each other lease, and since when it is unchanged by this clock."""


@dataclass
class Lease:
    """A lease that this process holds."""

    path: Path
    token: str
    """Text that no other lease contains."""
    ended: threading.Event = field(default_factory=threading.Event)
    """Set when the lease is released; ends the touching."""

    def touch_until_ended(self) -> None:
        """Touch the file every few seconds to show that the holder lives."""
        while not self.ended.wait(TOUCH_EVERY_S):
            try:
                os.utime(self.path)
            except OSError:
                return


def take_lease(path: Path, holder: dict[str, Any]) -> Lease | dict[str, Any]:
    """Return the lease `path`, or the text of its holder. A dead lease is taken over."""
    token = secrets.token_hex(8)
    content = json.dumps(holder | {"token": token}).encode()
    for _ in range(2):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
        except FileExistsError:
            other = _read(path)
            if not _is_dead(path, other):
                return {name: value for name, value in other.items() if name != "token"}
            _break(path, str(other.get("token")))
            continue
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        lease = Lease(path, token)
        threading.Thread(target=lease.touch_until_ended, daemon=True).start()
        return lease
    return {}


def drop_lease(lease: Lease) -> None:
    """Release the lease."""
    lease.ended.set()
    if _read(lease.path).get("token") == lease.token:
        lease.path.unlink(missing_ok=True)


def wait_for_sign(path: Path) -> None:
    """Wait until the holder of another machine's lease shows that it lives, or counts as dead.

    For those who look only once: a holder that lives touches its lease within some seconds.
    """
    began, looks = time.monotonic(), _looks(path, holder := _read(path))
    if looks is None or holder.get("host") == socket.gethostname():
        return
    while time.monotonic() - began <= DEAD_AFTER_S + LOOK_EVERY_S and _looks(path, _read(path)) == looks:
        _is_dead(path, holder)  # notes the time since which the lease has not changed
        time.sleep(LOOK_EVERY_S)


def _looks(path: Path, holder: dict[str, Any]) -> tuple[int, str] | None:
    """Return what changes when a lease is touched or taken over; None where there is none."""
    try:
        return path.stat().st_mtime_ns, str(holder.get("token"))
    except FileNotFoundError:
        return None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_dead(path: Path, holder: dict[str, Any]) -> bool:
    """Tell whether a lease is dead."""
    if holder.get("host") == socket.gethostname() and isinstance(holder.get("pid"), int):
        try:
            os.kill(holder["pid"], 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            pass
    looks = _looks(path, holder)
    if looks is None:
        return False
    now = time.monotonic()
    before, since = _seen.get(path, (None, now))
    if before != looks:
        _seen[path] = (looks, now)
        return False
    return now - since > DEAD_AFTER_S


def _break(path: Path, token: str) -> None:
    """Remove a dead lease, but not one that another process has taken over meanwhile."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        os.rename(path, aside)
    except FileNotFoundError:
        return
    if _read(aside).get("token", "None") != token:
        with contextlib.suppress(OSError):
            os.link(aside, path)
    aside.unlink(missing_ok=True)
