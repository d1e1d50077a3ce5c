"""Saves and restores a run: its checkpoints, and a log that ends at the same step."""

from collections.abc import Callable
from pathlib import Path

from modeling.runs.checkpoint import Checkpoint, load_checkpoint, name_best, remove_older, save_checkpoint
from modeling.runs.checkpoint_names import CHECKPOINTS, checkpoints, name_of, steps_of
from modeling.runs.log import METRICS, MetricsLog
from modeling.training.ranks import Ranks
from modeling.training.trainer import Trainer


class Saver:
    """Every process reads checkpoints; only the first process writes them and the log."""

    def __init__(
        self,
        out: Path,
        run: str,
        ranks: Ranks,
        keep_last: int,
        is_same: Callable[[str, int, int], bool] | None = None,
    ):
        """Take the run's output folder and digest; nothing is written yet. is_same: as in `load_checkpoint`."""
        self.out = out
        self.folder = out / CHECKPOINTS
        self.run = run
        self.writes = ranks.is_first
        self.num_steps_done = 0
        """Number of whole steps in weights and log; changed under the trainer's lock `changing`."""
        self.log = MetricsLog(out / METRICS if ranks.is_first else None)
        self._ranks = ranks
        self._keep_last = keep_last
        self._is_same = is_same

    def name_best(self, num_steps_done: int, score: float, *, keep: int) -> bool | None:
        """Keep the checkpoint of this step if its score is among the lowest `keep`; None when there is no such
        checkpoint.
        """
        if name_of(num_steps_done) not in {path.name for path in checkpoints(self.folder)}:
            return None
        is_best = name_best(self.folder, num_steps_done, score, keep=keep)
        remove_older(self.folder, keep_last=self._keep_last)
        return is_best

    def begin(self, trainer: Trainer) -> int:
        """Load the newest checkpoint, if any, into the trainer and return the number of steps done."""
        self._ranks.check_same(int(self.run[:12], 16), "as the digest of config, start and examples")
        restored = self.restore(trainer)
        if restored is None:
            self.log.truncate(0)
        if self._ranks.is_first:
            self.folder.mkdir(parents=True, exist_ok=True)
        self.num_steps_done = restored or 0
        return self.num_steps_done

    def take(self, trainer: Trainer, name: str) -> int:
        """Load one checkpoint, by name or "best", into the trainer and return its number of steps; no file changes."""
        saved = load_checkpoint(self.folder, self.run, name, is_same=self._is_same)
        assert saved is not None
        trainer.restore(saved.tensors, saved.state)
        return saved.num_steps_done

    def save(self, trainer: Trainer, num_steps_done: int) -> None:
        """Save the run's state after `num_steps_done` steps; all processes wait until it is safe."""
        if self._ranks.is_first:
            self._write(trainer, num_steps_done)
        self._ranks.wait()

    def save_now(self, trainer: Trainer) -> int:
        """Save the state after the last whole step from another thread, and return its number; 0: there is none.

        It may be called in the middle of a step; that step's gradients are then lost. It waits while weights change.
        """
        with trainer.changing:
            if self.num_steps_done and trainer.num_skipped_in_a_row == 0:
                self._write(trainer, self.num_steps_done)
        kept = checkpoints(self.folder)
        return steps_of(kept[-1]) if kept else 0

    def _write(self, trainer: Trainer, num_steps_done: int) -> None:
        with trainer.changing:
            checkpoint = Checkpoint(
                run=self.run,
                num_steps_done=num_steps_done,
                tensors=trainer.tensors(),
                state=trainer.state() | {"metrics_bytes": self.log.sync(), "num_steps": trainer.config.num_steps},
            )
            save_checkpoint(self.folder, checkpoint, keep_last=self._keep_last)

    def restore(self, trainer: Trainer) -> int | None:
        """Go back to the newest checkpoint and return its number of steps, or None where there is none."""
        saved = load_checkpoint(self.folder, self.run, is_same=self._is_same)
        # This also tells the first process that all others have read the checkpoint that it will soon replace.
        self._ranks.check_same(saved.num_steps_done if saved else 0, "steps in its newest checkpoint")
        if saved is None:
            return None
        with trainer.changing:
            trainer.restore(saved.tensors, saved.state)
            self.log.truncate(saved.state["metrics_bytes"])
            self.num_steps_done = saved.num_steps_done
        return saved.num_steps_done
