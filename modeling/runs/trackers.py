"""Entries of the log and validation pictures -> TensorBoard, and Weights & Biases where it is installed and set up.

They only watch: when one of them fails, that is reported once, and the run goes on without it.
"""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from modeling.data.images import Picture

NAMES = ("tensorboard", "wandb")
WANDB_VARIABLES = ("WANDB_API_KEY", "WANDB_MODE")
"""wandb is used only when one of these variables is set; otherwise it would ask for a login."""


class Tracker(Protocol):
    """Shows a run somewhere."""

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Show numbers of a step."""

    def picture(self, step: int, name: str, picture: Picture) -> None:
        """Show a picture, uint8 [H, W, 3]."""

    def close(self) -> None:
        """Write what is left."""


class TensorBoard:
    """Event files in a folder, for `tensorboard --logdir`."""

    def __init__(self, folder: Path, first_step: int):
        """Go on after `first_step` steps: what an interrupted run wrote beyond them is hidden."""
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=first_step + 1 if first_step else None)

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Show numbers of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def picture(self, step: int, name: str, picture: Picture) -> None:
        """Show a picture."""
        self._writer.add_image(name, picture, step, dataformats="HWC")

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run on wandb; one that is resumed goes on under its own name."""

    def __init__(self, folder: Path, run: str, config: Mapping[str, Any]):
        import wandb

        self._wandb = wandb
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "editaction"),
            id=run[:16],
            resume="allow",
            dir=str(folder),
            config=dict(config),
        )

    def scalars(self, step: int, values: Mapping[str, float]) -> None:
        """Show numbers of a step."""
        self._run.log(dict(values), step=step)

    def picture(self, step: int, name: str, picture: Picture) -> None:
        """Show a picture."""
        self._run.log({name: self._wandb.Image(picture)}, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def wanted_trackers(given: str) -> tuple[str, ...]:
    """Return the trackers that `given` names: auto (all that are installed and set up), none, or names separated by
    commas.
    """
    if given == "none":
        return ()
    if given == "auto":
        is_set_up = {
            "tensorboard": True,
            "wandb": any(wandb_variable in os.environ for wandb_variable in WANDB_VARIABLES),
        }
        return tuple(name for name in NAMES if find_spec(name) and is_set_up[name])
    names = tuple(given.split(","))
    for name in names:
        if name not in NAMES:
            raise ValueError(f"There is no tracker {name!r}; choose auto, none, or of {', '.join(NAMES)}.")
        if find_spec(name) is None:
            raise ValueError(f"Tracker {name} is not installed: pip install {name}.")
    return names


class Trackers:
    """All trackers of a run; none of them can end it."""

    def __init__(self, makers: Mapping[str, Callable[[], Tracker]], on_failure: Callable[[str], None]):
        """Open them. makers: name -> function that opens it; `on_failure` gets one line about each broken tracker."""
        self._on_failure = on_failure
        self._open: dict[str, Tracker] = {}
        for name, make in makers.items():
            self._guarded(name, partial(self._open_one, name, make))

    def scalars(self, step: int, entry: Mapping[str, Any]) -> None:
        """Show the numbers of an entry of the log."""
        numbers = {name: float(value) for name, value in _flat(entry).items() if math.isfinite(value)}
        self._all(lambda tracker: tracker.scalars(step, numbers))

    def picture(self, step: int, name: str, picture: Picture) -> None:
        """Show a picture."""
        self._all(lambda tracker: tracker.picture(step, name, picture))

    def close(self) -> None:
        """Close them."""
        self._all(lambda tracker: tracker.close())

    def _all(self, do: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._open.items()):
            self._guarded(name, partial(do, tracker))

    def _open_one(self, name: str, make: Callable[[], Tracker]) -> None:
        self._open[name] = make()

    def _guarded(self, name: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # any error: a broken tracker must not end a run
            self._open.pop(name, None)
            self._on_failure(f"{name} is left out from here on: {type(error).__name__}: {error}")


def open_trackers(
    names: Sequence[str],
    out: Path,
    *,
    run: str,
    config: Mapping[str, Any],
    first_step: int,
    on_failure: Callable[[str], None],
) -> Trackers:
    """Open the named trackers for a run whose digest is `run`, with their files below `out`."""
    makers: dict[str, Callable[[], Tracker]] = {
        "tensorboard": lambda: TensorBoard(out / "tensorboard", first_step),
        "wandb": lambda: WeightsAndBiases(out / "wandb", run, config),
    }
    return Trackers({name: makers[name] for name in names}, on_failure)


def _flat(entry: Mapping[str, Any]) -> dict[str, float]:
    """Return the numbers of an entry without the step; a number in a nested object is named `outer/inner`."""
    flat: dict[str, float] = {}
    for name, value in entry.items():
        if isinstance(value, Mapping):
            flat |= {f"{name}/{inner}": number for inner, number in _flat(value).items()}
        elif isinstance(value, int | float) and name != "step":
            flat[name] = value
    return flat
