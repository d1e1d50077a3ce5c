"""editor + test shards -> its errors under each pair's own and under other instructions, several draws a pair.

Other instructions are those of the same split: word-disjoint ones, and ones of the same verb or the same object.
"""

import numpy as np

from modeling.data.loader import Examples
from modeling.editor import Editor
from modeling.kindred_negatives import make_sampler
from modeling.negatives import NegativeSampler
from modeling.telling_apart import PAIRS_AT_ONCE, Asked
from tasks.artifacts import Artifact, Input, Record, Work
from tasks.config import ToldApartConfig
from tasks.edits import NOT_TESTED, editor_location
from tasks.stage import stage


@stage
def told_apart(work: Work, config: ToldApartConfig, *, editor: Input, shards: Artifact) -> None:
    """Measure e_c and e_c' on every test pair."""
    rows = [row for row in shards.records() if row["split"] not in NOT_TESTED]
    tars = {
        split: sorted({shards.path / row["shard"] for row in rows if row["split"] == split})
        for split in splits_of(rows)
    }
    loaded = Editor.load(editor_location(editor), work.options.device)
    done, total = 0, config.num_draws * len(rows)
    records: list[Record] = []
    for split, shard_files in tars.items():
        examples = Examples(shard_files)
        samplers: dict[str, NegativeSampler] = {
            kind: make_sampler(examples, loaded.tokenizer, kind) for kind in config.kinds
        }
        asked = Asked(loaded, examples, samplers, picture_side(loaded))
        for draw in range(config.num_draws):
            for first in range(0, len(examples), PAIRS_AT_ONCE):
                work.progress(done, total)
                part = np.arange(first, min(first + PAIRS_AT_ONCE, len(examples)))
                found = asked.errors(part, seed=config.seed, draw=draw, num_draws=config.num_draws)
                records += [{"split": split, **each} for each in found]
                done += len(part)
    work.funnel = {"test_pairs": len(rows), "measured": len(records)}
    work.write_rows(records)
    work.progress(total, total)


def splits_of(rows: list[Record]) -> list[str]:
    """Return the splits of the rows, in alphabetical order."""
    return sorted({row["split"] for row in rows})


def picture_side(editor: Editor) -> int:
    """Return the side in pixels of the pictures that an editor was made for."""
    return int(editor.unet.config.sample_size) * editor.pixels_per_latent
