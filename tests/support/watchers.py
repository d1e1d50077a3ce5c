"""Who watches stages in tests: a log of their progress, and one that cuts a stage off."""

from collections.abc import Iterator
from contextlib import contextmanager

from tasks.artifacts.artifact import Artifact
from tasks.artifacts.building import watching


class ProgressLog:
    """Keeps what a stage told of its progress."""

    def __init__(self, cut_off: tuple[str, int] | None = None):
        self.seen: list[tuple[str, int, int]] = []
        self.waited_for: list[str] = []
        self.messages: list[str] = []
        self.built: list[str] = []
        self.cut_off = cut_off
        """(stage, done): raise KeyboardInterrupt when this stage has done so much."""

    def started(self, stage: str, label: str) -> None:
        """Nothing to keep."""

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """Keep it, or cut the stage off."""
        self.seen.append((stage, done, total))
        if self.cut_off == (stage, done):
            raise KeyboardInterrupt

    def waiting(self, stage: str, label: str, holder: str, seconds: float) -> None:
        """Keep whom it waits for."""
        self.waited_for.append(holder)

    def told(self, stage: str, label: str, message: str) -> None:
        """Keep the message."""
        self.messages.append(message)

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """Keep what was built."""
        if not cached:
            self.built.append(stage)


@contextmanager
def watched(cut_off: tuple[str, int] | None = None) -> Iterator[ProgressLog]:
    """Watch the stages run inside."""
    log = ProgressLog(cut_off)
    token = watching.set(log)
    try:
        yield log
    finally:
        watching.reset(token)
