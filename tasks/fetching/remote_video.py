"""Where a video is and what it is read from: a file on the disk, or an address. Light: imports no HTTP client."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from tasks.config import Patience

if TYPE_CHECKING:
    from tasks.fetching.range_file import RangeFile


class FetchError(ValueError):
    """Something cannot be had from a server; `reason` is the word that is counted."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["FetchError"], tuple[str, str]]:
        """Come whole out of a worker process."""
        return FetchError, (self.reason, str(self))


@dataclass(frozen=True, kw_only=True)
class RemoteVideo:
    """A video at an address; plain values, so that it can be sent to a worker process."""

    url: str
    """Its address."""
    size: int | None = None
    """Bytes that it had when it was found, None when it is only being looked for."""
    cache: Path | None = None
    """Folder for what is fetched; nothing is left there. None takes the system's."""
    patience: Patience = field(default_factory=Patience)
    """How long to bear with the server."""

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.url.rsplit("/", 1)[-1]


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
