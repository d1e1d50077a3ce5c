"""A launcher runs this in several processes; each writes the gradient that it has for one step of a tiny run.

torchrun --nproc-per-node 2 -m tests.support.rank_gradients SHARDS OUT
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch
from safetensors.torch import save_file

from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.fine_tuning import TrainOptions, make_batches
from modeling.runs.watcher import Watcher
from modeling.training.ranks import Ranks, join_ranks
from modeling.training.trainer import Trainer
from tests.support.tiny_pipeline import SIZE_PX, tiny_pipeline

OBJECTIVE = ObjectiveConfig(lambda_action=2.0, lambda_reg=0.5, action_temperature=5.0)
CONFIG = TrainConfig(
    size_px=SIZE_PX,
    batch_size=7,
    num_steps=8,
    learning_rate=1e-3,
    precision="fp32",
    conditioning_dropout=0.15,
    seed=3,
    objective=OBJECTIVE,
)
"""Seven rows for two processes; some rows have no contrast."""
STEP = 1
CASES = {
    "whole": (CONFIG, 0),
    "parts": (CONFIG, 2),
    "batch": (replace(CONFIG, objective=replace(OBJECTIVE, action_reduction="batch")), 2),
}
"""Name -> config, micro-batch."""


def gradients(shards: Path, case: str, ranks: Ranks) -> tuple[dict[str, torch.Tensor], dict[str, float]]:
    """Return the gradient of each parameter, and the figures that STEP logs."""
    config, micro_batch = CASES[case]
    editor = Editor(tiny_pipeline())
    options = TrainOptions(device="cpu", micro_batch=micro_batch)
    watcher = Watcher(lambda line: None)
    batches = make_batches(editor, Examples(shards), config, options, watcher, ranks)
    trainer = Trainer(editor, config, ranks)
    with torch.no_grad():
        for weight in editor.unet.parameters():
            weight.mul_(1.02)  # move away from the start, so that L_reg has a gradient
    trainer._accumulate_gradients(batches, batches.draw(STEP))
    by_parameter = {
        name: weight.grad.clone() for name, weight in editor.unet.named_parameters() if weight.grad is not None
    }
    return by_parameter, trainer.step(batches, STEP + 1)


def main() -> None:
    """Write OUT/case-rank.safetensors for every case."""
    shards, out = map(Path, sys.argv[1:])
    ranks = join_ranks("auto")
    for case in CASES:
        save_file(gradients(shards, case, ranks)[0], out / f"{case}-{ranks.index}.safetensors")
    ranks.leave()


if __name__ == "__main__":
    main()
