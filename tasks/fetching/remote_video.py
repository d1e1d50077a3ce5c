"""A video at an address, and the error of a failed fetch. Light: imports no HTTP client."""

from dataclasses import dataclass, field
from pathlib import Path

from tasks.artifacts.addresses import shown_address
from tasks.config import Patience


class FetchError(ValueError):
    """A fetch failed; `reason` is the word under which it is counted."""

    transient = True
    """True when the next attempt may succeed."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["FetchError"], tuple[str, str]]:
        """Survive pickling out of a worker process."""
        return FetchError, (self.reason, str(self))


@dataclass(frozen=True, kw_only=True)
class RemoteVideo:
    """A video at an address; plain values, so that it can be sent to a worker process."""

    url: str = field(repr=False)
    """Address of the video, with secrets."""
    size: int | None = None
    """Size in bytes when the video was found; None while the search goes on."""
    cache: Path | None = None
    """Folder for fetched bytes; nothing stays there. None: the system's temporary folder."""
    patience: Patience = field(default_factory=Patience)
    """Number and time of retries of a request."""

    @property
    def name(self) -> str:
        """The last part of the address's path."""
        return self.shown.rsplit("/", 1)[-1]

    @property
    def shown(self) -> str:
        """The address for messages, without its secrets."""
        return shown_address(self.url)
