"""The shipped starting editor -> a second start for the benchmarks, in minutes: shrunk, perturbed and trained again.

    python -m benchmarks.second_start DIR --steps 600

An independent start takes an hour (`editaction starting-editor --seed 1`). This one is not independent: the weights of
U-Net and text model are SHARE of the shipped ones plus the rest of a fresh draw (shrink and perturb, arXiv:1910.08475).
Then it is trained on static edits of another seed. The autoencoder is the shipped one. `card.json` has its scores.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from torch import nn

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.static_edits import StaticEdit, sample_static_edit
from evaluation.kitchen.words import WORDS
from flows.wiring.presets import STARTING_EDITOR
from modeling.atomic import atomic_folder, write_json
from modeling.small_editor.pipeline import SmallSizes, build_pipeline, build_scheduler
from modeling.small_editor.pretrain import Learner, PretrainConfig, Pretraining, averaged, pretrain
from tasks.starting_editor.build import save_half
from tasks.starting_editor.static_pairs import Task, judge_saved, latent_pairs

SHARE = 0.7
"""The share of each weight that stays."""
SEED, NUM_PAIRS, NUM_JUDGED = 1, 4_000, 120


def drawn_edits(number: int) -> list[StaticEdit]:
    """Draw static edits like those of the shipped start's last cycle, with another seed."""
    rng = np.random.default_rng([SEED, 4711])
    return [sample_static_edit(rng, fixed_view(), (0.2, 0.4, 0.2, 0.2), 0.5 * (index % 2)) for index in range(number)]


@torch.no_grad()
def shrink_and_perturb(network: nn.Module, fresh: nn.Module, share: float = SHARE) -> None:
    """Move every weight towards that of a fresh network of the same make, in place."""
    for weight, drawn in zip(network.parameters(), fresh.parameters(), strict=True):
        weight.lerp_(drawn.to(weight), 1 - share)


def build(out: Path, steps: int) -> None:
    """Build the second start into the folder `out`."""
    began, sizes = time.monotonic(), SmallSizes()
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(STARTING_EDITOR, torch_dtype=torch.float32)
    fresh = build_pipeline(WORDS, sizes, SEED)
    learner = Learner(pipeline.unet.requires_grad_(True), pipeline.text_encoder.requires_grad_(True))
    shrink_and_perturb(learner, Learner(fresh.unet, fresh.text_encoder))
    edits = drawn_edits(NUM_PAIRS + NUM_JUDGED)
    training = PretrainConfig(
        num_steps=steps, num_warmup_steps=50, change_weight=2.0, high_noise_share=0.5, seed=SEED, checkpoint_every=100
    )
    run = Pretraining(learner, training)
    pairs = latent_pairs(pipeline, edits[:NUM_PAIRS], sizes.picture_px)

    def told(step: int, loss: float) -> None:
        if step % 50 == 0:
            print(f"step {step}: loss {loss:.4f}, {time.monotonic() - began:.0f} s", flush=True)

    pretrain(run, pairs, build_scheduler(), out.with_name(f".{out.name}.building"), told)
    held_out = [Task(before=edit.before, instruction=edit.instruction, goal=edit.goal) for edit in edits[NUM_PAIRS:]]
    with atomic_folder(out) as folder:
        save_half(pipeline, averaged(run, learner), folder)
        figures = judge_saved(folder, held_out, SEED, sizes.picture_px)
        facts = {"share": SHARE, "seed": SEED, "num_pairs": NUM_PAIRS, "num_steps": steps}
        write_json(folder / "card.json", facts | {"seconds": round(time.monotonic() - began)} | figures)
    print(figures)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    given = parser.parse_args()
    build(given.out, given.steps)


if __name__ == "__main__":
    main()
