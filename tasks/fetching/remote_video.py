"""A video at an address, and the error of what a server does not give. Light: imports no HTTP client."""

from dataclasses import dataclass, field
from pathlib import Path

from tasks.config import Patience
from tasks.fetching.sites import shown_address


class FetchError(ValueError):
    """A server does not give what was asked for; `reason` is the word under which it is counted."""

    transient = True
    """A server may say something else next time, and nothing here tells when."""

    def __init__(self, reason: str, message: str):
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type["FetchError"], tuple[str, str]]:
        """Come whole out of a worker process."""
        return FetchError, (self.reason, str(self))


@dataclass(frozen=True, kw_only=True)
class RemoteVideo:
    """A video at an address; plain values, so that it can be sent to a worker process."""

    url: str = field(repr=False)
    """Its address, secrets included."""
    size: int | None = None
    """Bytes that it had when it was found, None when it is only being looked for."""
    cache: Path | None = None
    """Folder for what is fetched; nothing is left there. None takes the system's."""
    patience: Patience = field(default_factory=Patience)
    """How often and how long a request is tried again."""

    @property
    def name(self) -> str:
        """The last part of the address's path."""
        return self.shown.rsplit("/", 1)[-1]

    @property
    def shown(self) -> str:
        """The address as messages say it, without what may be secret in it."""
        return shown_address(self.url)
