"""Write, sync, rename: a file or folder appears under its name when it is complete, and never before."""

import contextlib
import ctypes
import glob
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any


def sync_folder(folder: Path) -> None:
    """Flush `folder`'s directory entries to the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path) -> None:
    """Flush the bytes of `path` to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


FEW_FILES = 100
"""At most this many files are synced one by one."""


def sync_files(folder: Path, names: Sequence[str]) -> None:
    """Flush files (named relative to `folder`) to the disk: a few one by one, many by one sync of the file system.

    One by one costs one round trip to the disk per file: a quarter of an hour for 150 000 pictures. A sync of the whole
    file system takes seconds, but it also waits for what other programs are writing.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if len(names) <= FEW_FILES or not hasattr(libc, "syncfs"):
        for name in names:
            sync_file(folder / name)
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if libc.syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary name beside `path` to write to; on success it becomes `path` in one step.

    An exception (a full disk, say) removes the temporary file and leaves an older `path` untouched. What writers that
    were killed left in this folder is removed.
    """
    sweep(path.parent)
    temporary = _temporary_name(path)
    try:
        yield temporary
        sync_file(temporary)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def create_once(path: Path, content: bytes) -> bool:
    """Write `content` to `path` atomically unless `path` exists; return whether it was written.

    Of two writers at the same moment, also on two machines with one folder, one wins.
    """
    sweep(path.parent)
    temporary = _temporary_name(path)
    try:
        temporary.write_bytes(content)
        sync_file(temporary)
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink(missing_ok=True)
    return True


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON to `path` atomically; key order is kept."""
    write_bytes(path, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())


@contextmanager
def atomic_folder(path: Path, *, replaces: str | Sequence[str] = ()) -> Iterator[Path]:
    """Give an empty temporary folder beside `path`; on success it takes the place of `path`.

    An existing folder is replaced only when it is empty or holds one of the files named in `replaces`: these files mark
    the caller's own work. Give several names where one of the files may be damaged. Otherwise FileExistsError is raised
    before anything is written.
    """
    check_replaceable(path, replaces)
    remove_unfinished(path)
    temporary = _temporary_name(path)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                sync_file(file)
        check_replaceable(path, replaces)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync_folder(path.parent)


def check_replaceable(folder: Path, marks: str | Sequence[str] = ()) -> None:
    """Raise FileExistsError when a folder is not empty and holds no file of `marks`: then somebody else made it."""
    if not os.path.lexists(folder):
        return
    names = [marks] if isinstance(marks, str) else marks
    is_folder = folder.is_dir() and not folder.is_symlink()
    if is_folder and (not any(folder.iterdir()) or any((folder / name).is_file() for name in names)):
        return
    raise FileExistsError(f"{folder} is there already and would be replaced. Name another folder, or remove it first.")


def remove_unfinished(path: Path) -> None:
    """Remove the temporary files and folders that killed writers of `path` left; some hold gigabytes.

    Only for the one writer of `path`: another's work that is going on would be removed too.
    """
    for leftover in path.parent.glob("." + glob.escape(path.name) + ".*writing"):
        if leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover)
        else:
            leftover.unlink(missing_ok=True)


def _temporary_name(path: Path) -> Path:
    """Return an unpredictable name beside `path`; the folder may have come from somebody else.

    Under a predictable name a prepared link would be followed. It says who writes, so that it can be seen who is dead.
    """
    name = os.fsdecode(os.fsencode(path.name)[:180])
    return path.with_name(f".{name}.{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.writing")


_TEMPORARY = re.compile(r"\..+\.(?P<machine>[0-9a-f]{8})-(?P<pid>[0-9]{1,9})-[0-9a-f]{16}\.writing", re.DOTALL)
ABANDONED_S = 24 * 3600.0
"""A file of a writer on another machine that nobody has written to for so long was left behind."""
_swept: set[Path] = set()


def sweep(folder: Path) -> None:
    """Remove the temporary files that killed writers left in `folder`; once a process, as folders may be large.

    Only plain files of this user with our names go, and only where their process is dead, or, of another machine, after
    a day.
    """
    if folder in _swept:
        return
    _swept.add(folder)
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            parts = _TEMPORARY.fullmatch(entry.name)
            if parts is None or not entry.is_file(follow_symlinks=False):
                continue
            status = entry.stat(follow_symlinks=False)
            if status.st_uid == os.geteuid() and _is_left(parts["machine"], int(parts["pid"]), status.st_mtime):
                os.unlink(entry.path)


def _is_left(machine: str, pid: int, touched_at: float) -> bool:
    """Tell whether nobody writes a temporary file any more."""
    if machine == _machine():
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        except (PermissionError, OverflowError):
            pass
    return time.time() - touched_at > ABANDONED_S


@cache
def _machine() -> str:
    """Return eight hex digits of where the numbers of processes are ours: this start of this machine or container."""
    place = ""
    with contextlib.suppress(OSError):
        place = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    return hashlib.sha256((place or socket.gethostname()).encode()).hexdigest()[:8]
