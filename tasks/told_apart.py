"""editor + test shards -> its errors under each pair's own and under other instructions, several draws per pair.

The other instructions come from all test pairs: word-disjoint ones, and ones with the same verb or the same object.
Among held-out pairs alone, instructions with the same verb would differ in little more than a colour.
"""

import numpy as np

from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.native_size import native_size_px
from modeling.measuring.telling_apart import PAIRS_AT_ONCE, Asked
from modeling.objective.kindred_negatives import make_sampler
from modeling.objective.negatives import NegativeSampler
from tasks.artifacts.artifact import Artifact, Input, Record, editor_location
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ToldApartConfig
from tasks.splitting.assignment import NOT_TESTED


@stage
def told_apart(work: Work, config: ToldApartConfig, *, editor: Input, shards: Artifact) -> None:
    """Measure e_c and e_c' on every test pair."""
    split_of = {row["segment_id"]: row["split"] for row in shards.records() if row["split"] not in NOT_TESTED}
    tars = sorted({shards.file(row["shard"]) for row in shards.records() if row["segment_id"] in split_of})
    examples, loaded = Examples(tars), Editor.load(editor_location(editor), work.options.device)
    samplers: dict[str, NegativeSampler] = {
        kind: make_sampler(examples, loaded.tokenizer, kind) for kind in config.kinds
    }
    asked = Asked(loaded, examples, samplers, native_size_px(loaded))
    total = config.num_draws * len(examples)
    records: list[Record] = []
    for draw in range(config.num_draws):
        for first in range(0, len(examples), PAIRS_AT_ONCE):
            work.progress(len(records), total)
            part = np.arange(first, min(first + PAIRS_AT_ONCE, len(examples)))
            measured = asked.errors(part, seed=config.seed, draw=draw, num_draws=config.num_draws)
            records += [{"split": split_of[errors["segment_id"]], **errors} for errors in measured]
    work.funnel = {"test_pairs": len(examples), "measured": len(records)}
    work.write_rows(records)
    work.progress(total, total)
