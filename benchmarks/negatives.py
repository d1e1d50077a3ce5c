"""The cost of drawing negative instructions: its share of a training step, among 37 000 instructions.

    python -m benchmarks.negatives

The instructions are EPIC-KITCHENS-100's narrations and the tokens CLIP's where EDITACTION_REAL_DATA names a folder that
has both, else generated ones. Drawing is measured over a whole first epoch, when each instruction's pool is still
unknown, and over a second one. The named alternative is looking through all instructions for each row.
"""

import argparse
import csv
import json
import os
import re
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from transformers import CLIPTokenizer

from benchmarks.editors import SIZES
from benchmarks.measuring import machine_of, timed
from benchmarks.recording import record
from benchmarks.training_steps import OBJECTIVES, OurStep, write_pairs
from modeling.config import TrainConfig
from modeling.data.loader import Examples, batch_indices
from modeling.objective.negatives import LEVELS, NegativeSampler, Tokenize, clip_tokens
from modeling.runs.fine_tuning import TrainOptions

NUM_INSTRUCTIONS = 37_000
BATCH_SIZE = 64
"""Rows a step, as in the paper."""
STEP_BATCH = 8
"""Rows of the training step that is measured. Micro-batches add up, so it is scaled up to BATCH_SIZE."""
AIMED_STEP_S = BATCH_SIZE / 500
"""Seconds of a step of L_static at 500 samples a second, the goal on a GPU."""


def real_instructions() -> tuple[list[str], Tokenize] | None:
    """Return EPIC's narrations and CLIP's tokens, or None where they are not available."""
    home = Path(os.environ.get("EDITACTION_REAL_DATA", "none"))
    table, vocabulary, merges = (
        home / "epic100" / "EPIC_100_train_partial.csv",
        home / "clip" / "vocab.json",
        "merges.txt",
    )
    if not (table.is_file() and vocabulary.is_file()):
        return None
    with table.open(newline="", encoding="utf-8") as file:
        texts = [row["narration"] for row in csv.DictReader(file)]
    lines = (home / "clip" / merges).read_text(encoding="utf-8").splitlines()[1:]
    pairs = [tuple(line.split()) for line in lines if len(line.split()) == 2]
    tokenizer = CLIPTokenizer(vocab=json.loads(vocabulary.read_text(encoding="utf-8")), merges=pairs)
    tokenizer.model_max_length = 77
    return texts[:NUM_INSTRUCTIONS], clip_tokens(tokenizer)


def generated_instructions() -> tuple[list[str], Tokenize]:
    """Return instructions of invented words whose frequencies fall as in a language; each word is a token."""
    rng = np.random.default_rng(0)
    verbs, things = rng.zipf(1.4, NUM_INSTRUCTIONS) % 300, rng.zipf(1.3, (NUM_INSTRUCTIONS, 2)) % 1_500
    froms = rng.random(NUM_INSTRUCTIONS) < 0.2
    texts = [
        f"verb{verb} thing{a}" + (f" from thing{b}" if has_start else "")
        for verb, (a, b), has_start in zip(verbs, things, froms, strict=True)
    ]
    numbers: dict[str, int] = {}
    return texts, lambda text: frozenset(numbers.setdefault(word, len(numbers)) for word in re.findall(r"\w+", text))


def epoch_seconds(sampler: NegativeSampler, epoch: int) -> tuple[float, np.ndarray]:
    """Return the CPU seconds of drawing for one epoch's steps, a step, and the number of rows found at each level."""
    num_examples = len(sampler.number_of_example)
    num_steps = num_examples // BATCH_SIZE
    levels = np.zeros(len(LEVELS), dtype=np.int64)
    batches = [batch_indices(num_examples, BATCH_SIZE, 0, epoch * num_steps + step) for step in range(num_steps)]
    began = time.process_time()
    for step, examples in enumerate(batches):
        drawn = sampler.draw(examples, seed=0, step=epoch * num_steps + step)
        levels += np.bincount(drawn.levels, minlength=len(LEVELS))
    return (time.process_time() - began) / num_steps, levels


def by_looking_through(token_sets: list[frozenset[int]], row: int) -> int:
    """Draw a negative in the simple way: collect all instructions that share no token, and choose one."""
    own = token_sets[row]
    candidates = [index for index, tokens in enumerate(token_sets) if not tokens & own]
    return int(np.random.default_rng(row).choice(candidates)) if candidates else -1


def step_seconds(sizes: str, size_px: int, num_steps: int) -> float:
    """Return the median CPU seconds of an EditAction step of BATCH_SIZE rows, scaled up from STEP_BATCH."""
    config = TrainConfig(size_px=size_px, batch_size=STEP_BATCH, precision="fp32", objective=OBJECTIVES["editaction"])
    with tempfile.TemporaryDirectory() as folder:
        examples = Examples(write_pairs(Path(folder), count=STEP_BATCH, size_px=size_px))
        step = OurStep(sizes, config, examples, TrainOptions(device="cpu"))
        step(1)
        seconds = [
            timed(lambda number=number: step(number), torch.device("cpu")).cpu for number in range(2, 2 + num_steps)
        ]
    return float(np.median(seconds)) * BATCH_SIZE / STEP_BATCH


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", choices=list(SIZES), default="fifth")
    parser.add_argument("--size-px", type=int, default=128)
    parser.add_argument("--steps", type=int, default=3, help="training steps measured")
    parser.add_argument("--name", default="negatives", help="file in benchmarks/results to write")
    given = parser.parse_args()
    torch.set_num_threads(1)
    narrations = real_instructions()
    texts, tokenize = narrations or generated_instructions()
    began = time.process_time()
    sampler = NegativeSampler(texts, tokenize)
    index_s = time.process_time() - began
    first_s, levels = epoch_seconds(sampler, 0)
    later_s, _ = epoch_seconds(sampler, 1)
    token_sets = [tokenize(text) for text in texts]
    plain_s = timed(lambda: [by_looking_through(token_sets, row) for row in range(BATCH_SIZE)], torch.device("cpu")).cpu
    training_s = step_seconds(given.sizes, given.size_px, given.steps)
    measures = {
        "share_of_step_percent": 100 * first_s / training_s,
        "share_of_step_percent_after_first_epoch": 100 * later_s / training_s,
        "share_of_aimed_gpu_step_percent": 100 * first_s / AIMED_STEP_S,
        "draw_ms": 1000 * first_s,
        "draw_ms_after_first_epoch": 1000 * later_s,
        "looking_through_all_ms": 1000 * plain_s,
        "speedup_over_looking_through_all": plain_s / first_s,
        "build_index_s": index_s,
        "training_step_s": training_s,
        "num_instructions": len(texts),
        "num_unique_instructions": len(sampler.unique),
        **{f"{name}_percent": 100 * count / levels.sum() for name, count in zip(LEVELS, levels.tolist(), strict=True)},
    }
    record(
        given.name,
        "What share of a training step does drawing the negative instructions take, among 37 000 instructions?",
        {name: round(value, 5) for name, value in measures.items()},
        alternative="looking through the token sets of all instructions for each row",
        instructions="narrations of EPIC-KITCHENS-100, tokens of CLIP"
        if narrations
        else "generated, a word is a token",
        setting={"batch_size": BATCH_SIZE, "sizes": given.sizes, "size_px": given.size_px, "seconds": "CPU, one thread"}
        | machine_of(torch.device("cpu")),
        note="The training step is EditAction's with all three losses, scaled from 8 rows to 64. "
        "draw_ms is the mean over the first epoch, in which each instruction's pool is computed once.",
    )


if __name__ == "__main__":
    main()
