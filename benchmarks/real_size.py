"""One completed training step at Stable Diffusion's size with random weights: its peak memory, and its account.

    python -m benchmarks.real_size              # a machine with 24 GiB and nothing else on it
    python -m benchmarks.real_size --sizes tiny --size-px 64 --no-record   # tries the path anywhere

The steps are those of `fine_tune`'s own parts: cached latents, encoders put away, L_static + L_action + L_reg, AdamW,
EMA. On a CPU the peak is the process's largest resident set, loading included; on a GPU what torch allocated.
"""

import argparse
import gc
import resource
import sys
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.editors import SIZES, make_pipeline
from benchmarks.measuring import machine_of
from benchmarks.recording import record
from benchmarks.training_steps import write_pairs
from modeling.config import TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor, pick_device
from modeling.measuring.memory_account import GIB, STABLE_DIFFUSION, Choice, account
from modeling.runs.fine_tuning import TrainOptions, make_batches, make_trainer
from modeling.runs.watcher import Watcher


def peak_gib(device: torch.device) -> float:
    """Return the largest memory in use so far."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / GIB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / GIB


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", choices=list(SIZES), default="sd15")
    parser.add_argument("--size-px", type=int, default=256)
    parser.add_argument("--num-steps", type=int, default=1)
    parser.add_argument("--batch-size", type=int, default=1)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--gradient-checkpointing", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--no-record", action="store_true", help="print only")
    given = parser.parse_args()
    device = pick_device(given.device)
    config = TrainConfig(
        size_px=given.size_px, batch_size=given.batch_size, num_steps=max(2, given.num_steps), precision=given.precision
    )
    options = TrainOptions(
        device=str(device), micro_batch=1, gradient_checkpointing=given.gradient_checkpointing, ema_on="cpu"
    )
    with tempfile.TemporaryDirectory() as folder:
        examples = Examples(write_pairs(Path(folder), count=4, size_px=given.size_px))
        editor = Editor(make_pipeline(given.sizes), device)
        batches = make_batches(editor, examples, config, options, Watcher(lambda line: None))
        gc.collect()
        trainer = make_trainer(editor, config, options)
        # Without the extra measurement of each loss's gradient, which only one in a hundred steps makes.
        began_at, losses = time.monotonic(), []
        for step in range(1, given.num_steps + 1):
            losses.append(trainer.step(batches, step)["loss"])
            print(f"step {step}: loss {losses[-1]:.4f}, peak {peak_gib(device):.2f} GiB", flush=True)
        seconds = time.monotonic() - began_at
    choice = Choice(micro_batch=1, gradient_checkpointing=given.gradient_checkpointing, ema_on=options.ema_on)
    on_gpu = device.type == "cuda"
    parts = account(config, STABLE_DIFFUSION, choice, cuda=on_gpu)
    record(
        "real_size",
        "Does a training step at Stable Diffusion's size complete within 23 GiB, and what does the account say?",
        {
            "steps_completed": len(losses),
            "peak_gib": round(peak_gib(device), 2),
            "account_gib": round(sum(parts.values()), 2),
            "seconds_a_step": round(seconds / len(losses), 1),
        },
        write=not given.no_record,
        sizes=given.sizes,
        size_px=given.size_px,
        flags=choice.flags,
        account={name: round(part, 2) for name, part in parts.items()},
        note="random weights; on a CPU autoencoder, text encoder and average are in the peak too",
        arithmetic=machine_of(device),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
