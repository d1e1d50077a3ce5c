"""Watchers of stages in tests: a log of their progress, which can also interrupt a stage."""

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
        """(stage, done): raise KeyboardInterrupt when this stage has done this many items."""

    def started(self, stage: str, label: str) -> None:
        """Keep nothing."""

    def progressed(self, stage: str, label: str, done: int, total: int, note: str) -> None:
        """Keep the progress, or interrupt the stage."""
        self.seen.append((stage, done, total))
        if self.cut_off == (stage, done):
            raise KeyboardInterrupt

    def waiting(self, stage: str, label: str, holder: str, seconds: float) -> None:
        """Keep the name of the holder that the stage waits for."""
        self.waited_for.append(holder)

    def told(self, stage: str, label: str, message: str) -> None:
        """Keep the message."""
        self.messages.append(message)

    def finished(self, stage: str, label: str, artifact: Artifact, cached: bool) -> None:
        """Keep the name of the stage when it was built."""
        if not cached:
            self.built.append(stage)


@contextmanager
def watched(cut_off: tuple[str, int] | None = None) -> Iterator[ProgressLog]:
    """Watch the stages that run inside the `with` block."""
    log = ProgressLog(cut_off)
    token = watching.set(log)
    try:
        yield log
    finally:
        watching.reset(token)
