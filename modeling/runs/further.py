"""A checkpoint + a config of another length -> whether the run can go on from it, or the reason why not.

A run of N steps and one of M > N steps are equal up to step N when the learning rate does not depend on the length.
Then training further gives the same bits as a run of M steps from the start (on a CPU). Only the log's entry of step N
differs: it has the gradient norms of a last step. No torch is imported here.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from modeling.config import TrainConfig


def why_not_further(config: TrainConfig, num_steps: int) -> str:
    """Return why a run of `config` cannot go on from one that was planned for `num_steps` steps; "" where it can."""
    if config.num_steps == num_steps or config.lr_schedule == "constant":
        return ""
    return (
        f"its {config.lr_schedule} learning rate was to end at step {num_steps:,}, so a run of {config.num_steps:,} "
        "steps has other rates from early on (lr_schedule=constant has not)"
    )


def differs_in(older: Mapping[str, Any], config: TrainConfig) -> set[str]:
    """Return the names of the settings in which a config read from JSON differs."""
    own = json.loads(json.dumps(asdict(config)))
    return {name for name in {*own, *older} if own.get(name) != older.get(name)}


def same_but_for_length(
    config: TrainConfig, digest_of: Callable[[TrainConfig], str]
) -> Callable[[str, int, int], bool]:
    """Return a function (digest of a checkpoint's run, steps that it was planned for, steps done) -> is it this run?

    It raises ValueError, which says why, where the run is this one but for its length and cannot go on. `digest_of`:
    the digest of the run that another config would be.
    """

    def is_same(run: str, num_steps: int, num_done: int) -> bool:
        if num_steps == config.num_steps or digest_of(replace(config, num_steps=num_steps)) != run:
            return False
        if num_done > config.num_steps:
            raise ValueError(
                f"it has {num_done:,} steps, and num_steps is {config.num_steps:,}: a run cannot be made shorter"
            )
        if why := why_not_further(config, num_steps):
            raise ValueError(why)
        return True

    return is_same
