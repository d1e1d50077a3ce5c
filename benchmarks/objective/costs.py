"""The cost of a step of each objective, in steps of L_static: CPU seconds, measured in turns on the study's own pairs.

The study's budget "compute" uses these (arms.py). A turn is a few steps of one objective; the result is the median of
the turns' ratios.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from benchmarks.measuring import in_turns, median_of, median_ratio
from benchmarks.objective.arms import DEMO, PLAIN, SHARP
from modeling.config import ObjectiveConfig, TrainConfig
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.runs.fine_tuning import TrainOptions, make_batches, make_trainer
from modeling.runs.watcher import Watcher

STEPS_A_TURN, TURNS = 4, 5
OBJECTIVES = {
    "static": PLAIN,
    "action": SHARP,
    "reg": replace(PLAIN, lambda_reg=0.002),
    "static_attn2_frozen": replace(PLAIN, freeze="attn2"),
    "action_every4": replace(SHARP, action_every=4),
    "action_noisy_half": replace(SHARP, action_from=0.5),
    "all_attn2_frozen": DEMO,
}


def steps_of(objective: ObjectiveConfig, config: TrainConfig, examples: Examples, start: str) -> Callable[[], None]:
    """Return a function that does the steps of one turn with an objective, on its own network."""
    editor = Editor.load(start, "cpu")
    given, options = replace(config, objective=objective), TrainOptions(device="cpu", workers=1)
    trainer = make_trainer(editor, given, options)
    batches = make_batches(editor, examples, given, options, Watcher(lambda line: None))
    done = 0

    def work() -> None:
        nonlocal done
        for _ in range(STEPS_A_TURN):
            # Not step 0, 100, ...: those also measure gradient norms.
            trainer.step(batches, 4 * (done // 96 * 25) + 4 + done % 96)
            done += 1

    return work


def measure_costs(shards: Path, config: TrainConfig, start: str) -> dict[str, float]:
    """Return the cost of each objective's step over that of L_static, and the seconds of the latter."""
    torch.set_num_threads(1)
    examples = Examples(shards / "train")
    taken = in_turns(
        {name: steps_of(objective, config, examples, start) for name, objective in OBJECTIVES.items()},
        num_turns=TURNS,
        device=torch.device("cpu"),
    )
    costs = {f"cost_{name}": round(median_ratio(seconds, taken["static"]), 3) for name, seconds in taken.items()}
    return costs | {"static_step_s": round(median_of(taken["static"]) / STEPS_A_TURN, 4)}
