"""Open a video for reading, on the disk or at an address. Light: a local video imports no HTTP client."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tasks.fetching.remote_video import RemoteVideo

if TYPE_CHECKING:
    from tasks.fetching.range_file import RangeFile

VideoPlace: TypeAlias = "Path | RemoteVideo"
"""Where a video is."""
VideoFile: TypeAlias = "Path | RangeFile"
"""What a video is read from."""


@contextmanager
def readable(place: VideoPlace) -> Iterator[VideoFile]:
    """Give what a video is read from: the file itself, or one that fetches what is read. FetchError when it is gone."""
    if isinstance(place, Path):
        yield place
        return
    from tasks.fetching.range_file import RangeFile  # and with it the HTTP client, which local videos do not need

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
    """Return a video's size in bytes, 0 for one that is not there."""
    if isinstance(place, Path):
        return place.stat().st_size if place.exists() else 0
    return place.size or 0
