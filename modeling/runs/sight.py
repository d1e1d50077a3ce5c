"""What people see of a run while it trains: trackers, and regular edits of fixed examples."""

from collections.abc import Mapping
from typing import Any

from modeling.runs.saver import Saver
from modeling.runs.trackers import Trackers
from modeling.runs.validation import Validation, write_look
from modeling.runs.watcher import Watcher
from modeling.training.trainer import Trainer


class Sight:
    """Follows a run without being able to change or end it."""

    def __init__(
        self,
        saver: Saver,
        watcher: Watcher,
        *,
        trackers: Trackers | None = None,
        validation: Validation | None = None,
        every: int = 0,
        keep_best: int = 0,
    ):
        """Validate every `every` steps (0: never), and keep the best `keep_best` checkpoints."""
        self._saver = saver
        self._watcher = watcher
        self._trackers = trackers
        self._validation = validation
        self._every = every
        self._keep_best = keep_best

    def step_done(self, trainer: Trainer, step: int, entry: Mapping[str, Any]) -> None:
        """Called after step `step` (and its checkpoint, if any) with its entry of the log."""
        if self._trackers is not None:
            self._trackers.scalars(step, entry)
        if self._validation is not None and self._every and step % self._every == 0:
            try:
                self._look(trainer, step)
            except Exception as error:  # any error: a failed validation must not end a run
                self._watcher.say("validation_failed", step=step, message=f"{type(error).__name__}: {error}")

    def _look(self, trainer: Trainer, step: int) -> None:
        assert self._validation is not None
        look = self._validation.look(trainer)
        facts: dict[str, Any] = {"split": "validation" if self._keep_best else "train"}
        if self._keep_best:
            facts["is_best"] = self._saver.name_best(step, look.losses["static"], keep=self._keep_best)
        write_look(self._saver.out / "validation", step, look, facts)
        self._watcher.say("validation", step=step, **look.losses, **facts)
        if self._trackers is not None:
            self._trackers.scalars(step, {"validation": look.losses})
            self._trackers.picture(step, "validation/grid", look.grid)

    def close(self) -> None:
        """Write what the trackers have not written yet."""
        if self._trackers is not None:
            self._trackers.close()
