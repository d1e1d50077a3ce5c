"""Open a video for reading, on the disk or at an address. Light: a local video imports no HTTP client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tasks.fetching.remote_video import RemoteVideo

if TYPE_CHECKING:
    from tasks.fetching.range_file import RangeFile

VideoPlace: TypeAlias = "Path | RemoteVideo"
"""A video's place: a path, or an address."""
VideoFile: TypeAlias = "Path | RangeFile"
"""A video that libav can read: a path, or a file object."""


@contextmanager
def readable(place: VideoPlace) -> Iterator[VideoFile]:
    """Yield the file to read: the local path, or an object that fetches the read parts. FetchError when it does not
    exist.
    """
    if isinstance(place, Path):
        yield place
        return
    from tasks.fetching.range_file import RangeFile  # this imports the HTTP client, which local videos do not need

    with RangeFile(place) as file:
        yield file


def bytes_of(file: VideoFile, first: int, length: int) -> bytes:
    """Return the bytes of a file from `first` on, fewer where it ends."""
    if not isinstance(file, Path):
        return file.read_at(first, length)
    with file.open("rb") as opened:
        opened.seek(first)
        return opened.read(length)


def size_of(place: "VideoFile | RemoteVideo") -> int:
    """Return a video's size in bytes; 0 when it does not exist."""
    if isinstance(place, Path):
        return place.stat().st_size if place.exists() else 0
    return place.size or 0
