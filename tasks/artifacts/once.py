"""A cache in this process for facts about outside files; an entry is valid while the file is unchanged.

A run plans, builds and plans again, and each time it needs the digests of its annotations, videos and start. With 700
videos these are gigabytes of reads, so each file is read once; later requests only look at its size and times.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from tasks.artifacts.file_list import sha256_of

T = TypeVar("T")

_known: dict[tuple[Any, ...], Any] = {}
"""(kind of fact, path, device, inode, size, times of content and inode) -> the fact."""


def read_once(asked: str, path: Path, read: Callable[[Path], T]) -> T:
    """Return `read(path)`, computed once in this process while the file is unchanged; `asked` names the kind of fact.

    A file that is replaced or changed has another inode, size or time, and is read again.
    """
    status = path.stat()
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    key = (asked, str(path.absolute()), *state)
    if key not in _known:
        _known[key] = read(path)
    answer: T = _known[key]
    return answer


def sha256_once(path: Path) -> str:
    """Return the SHA-256 of a file's content, computed once in this process while the file is unchanged."""
    return read_once("sha256", path, sha256_of)
