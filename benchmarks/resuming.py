"""An interrupted and resumed training run, compared with an uninterrupted one: equality of bytes, or of weights."""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from benchmarks.editors import make_pipeline
from benchmarks.training_steps import write_pairs
from modeling.config import TrainConfig
from modeling.runs.fine_tuning import TrainOptions, fine_tune
from modeling.runs.watcher import TrainingStopped, Watcher

SIZE_PX = 64
TRAINING = f"""
import sys
from pathlib import Path
from modeling.config import TrainConfig
from modeling.runs.fine_tuning import TrainOptions, fine_tune
from modeling.runs.watcher import Watcher
home, out = map(Path, sys.argv[1:])
config = TrainConfig(size_px={SIZE_PX}, batch_size=3, num_steps=60, checkpoint_every=7, precision="fp32")
options = TrainOptions(device="cpu")
watcher = Watcher(lambda line: None)
fine_tune(config, home / "shards", str(home / "start"), out, options=options, facts={{}}, watcher=watcher)
"""


def resume_is_bit_identical() -> bool:
    """Tell whether weights, averages, log and card have the same bytes with and without a kill in the middle of the
    run.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_pipeline("tiny").save_pretrained(home / "start")
        write_pairs(home / "shards", count=10, size_px=SIZE_PX)
        killed = _start(home, home / "killed")
        while not list((home / "killed" / "checkpoints").glob("step-*/state.json")) and killed.poll() is None:
            time.sleep(0.01)
        time.sleep(random.random() / 2)  # anywhere between two checkpoints
        os.kill(killed.pid, signal.SIGKILL)
        if killed.wait() != -signal.SIGKILL:
            raise RuntimeError("The run ended before it could be killed.")
        for name in ("killed", "whole"):
            if _start(home, home / name).wait() != 0:
                raise RuntimeError(f"Training {name} failed.")
        return _content(home / "killed") == _content(home / "whole")


def _start(home: Path, out: Path) -> "subprocess.Popen[bytes]":
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    return subprocess.Popen([sys.executable, "-c", TRAINING, str(home), str(out)], env=environment)


def _content(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


class StopsAfter(Watcher):
    """Asks a run to stop after some of its steps, like a signal."""

    def __init__(self, num_steps: int):
        super().__init__(lambda line: None)
        self._num_left = num_steps

    def stop_requested(self) -> bool:
        """Count the questions between steps."""
        self._num_left -= 1
        if self._num_left == 0:
            self.signal_number = signal.SIGTERM
        return super().stop_requested()

    def tick(self, phase: str, done: int, total: int, **fields: Any) -> None:
        """Say nothing and ask nothing: the work before the steps is not counted."""


def differences_after_a_stop(device: str, *, sizes: str, num_steps: int) -> dict[str, float]:
    """Compare the weights of three runs in bf16: a whole run, the same again, and one stopped in its middle and
    resumed.

    A difference is the largest of any weight, as a share of the largest change that training made. Two whole runs
    differ by the device's own rounding; a resumed run should differ by no more than that order.
    """
    config = TrainConfig(size_px=SIZE_PX, batch_size=4, num_steps=num_steps, checkpoint_every=1_000, precision="bf16")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        make_pipeline(sizes).save_pretrained(home / "start")
        shards = write_pairs(home / "shards", count=10, size_px=SIZE_PX)
        for name, stop in (("whole", 0), ("again", 0), ("cut", num_steps // 2), ("cut", 0)):
            watcher = StopsAfter(stop) if stop else Watcher(lambda line: None)
            options = TrainOptions(device=device)
            try:
                fine_tune(config, shards, str(home / "start"), home / name, options=options, facts={}, watcher=watcher)
            except TrainingStopped:
                if not stop:
                    raise
        start, whole = _weights(home / "start" / "unet"), _weights(home / "whole" / "raw_unet")
        change = _largest_difference(start, whole)
        differences = {
            name: _largest_difference(whole, _weights(home / name / "raw_unet")) for name in ("again", "cut")
        }
    return {
        "resume_difference": differences["cut"] / change,
        "repeat_difference": differences["again"] / change,
        "resume_bit_identical_weights": float(differences["cut"] == 0),
        "resume_steps": float(num_steps),
    }


def _weights(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "diffusion_pytorch_model.safetensors")


def _largest_difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    return max(float((first[name] - second[name]).abs().max()) for name in first)
