"""A training run killed by SIGKILL and resumed, against one that nothing disturbed: are the bytes the same?"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.editors import make_pipeline
from benchmarks.training_steps import write_pairs

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
    """Tell whether weights, averages, log and card are the same bytes after a kill in mid-run as without one."""
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
