"""What is read of a file from outside, kept for the rest of the process as long as the file stays as it is.

A run plans, builds and plans again, and each time asks for the digests of its annotations, videos and start. At 700
videos these are gigabytes of reads, so each file is read once; asking again costs a look at its size and times.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

_known: dict[tuple[Any, ...], Any] = {}
"""(what was asked, path, device, inode, size, times of content and inode) -> the answer."""


def read_once(asked: str, path: Path, read: Callable[[Path], T]) -> T:
    """Return `read(path)`, called once in this process while the file is the same; `asked` names what is read.

    A file that is replaced or changed has another inode, size or time, and is read again.
    """
    status = path.stat()
    state = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    key = (asked, str(path.absolute()), *state)
    if key not in _known:
        _known[key] = read(path)
    answer: T = _known[key]
    return answer
