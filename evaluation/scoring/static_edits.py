"""Static edits by a fine-tuned editor -> whether it still carries them out, and keeps the rest of the picture.

Forgetting = carried out by the untouched start - carried out by the editor, on the same scenes and noise.
    drawn kitchen: carried out and kept are what the oracle reads (evaluation/kitchen/judge.py)
    triples:       carried out   d(edit, expected) < d(input, expected), d the paired distance (metrics/similarity.py)
                   kept          PSNR(edit, input) outside the expected change >= a limit, dB (metrics/preservation.py)
A copy of the input carries out 0 % and keeps 100 %, the expected picture carries out 100 %. Unlike the paper, which
gives forgetting as the reason for freezing attn2 and for L_reg and does not measure it. "Nearer to the expected
picture" asks whether the edit went the right way, not whether it is done. Intervals are clustered by scene (or group).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.kitchen.judge import judge
from evaluation.kitchen.static_edits import StaticEdit
from evaluation.metrics.fid import FeatureNetwork
from evaluation.metrics.preservation import changed_region, psnr_outside
from evaluation.metrics.similarity import nearer_to_truth, paired_distance
from evaluation.statistics.clustered_mean import clustered_mean
from modeling.data.images import Picture

MEASURES = ("carried_out", "kept")
Record = dict[str, Any]


def judge_scene(edit: StaticEdit, edited: Picture) -> Record:
    """Return the oracle's verdict on a drawn scene's edit, uint8 [H, W, 3] of any size."""
    verdict = judge({"before": edit.before.to_record(), "goal": edit.goal, "view_before": 0}, edited)
    return {"carried_out": verdict.carried_out, "kept": verdict.kept}


def judge_triples(
    network: FeatureNetwork,
    inputs: Sequence[Picture],
    expected: Sequence[Picture],
    edited: Sequence[Picture],
    least_psnr_db: float,
) -> list[Record]:
    """Return the verdicts of edits beside what was expected of them, and the numbers behind; all of one size.

    None where no verdict is possible: the expected picture equals the input, or changes all of it.
    """
    of_inputs, of_expected, of_edits = (network.features(list(pictures)) for pictures in (inputs, expected, edited))
    away, before = paired_distance(of_edits, of_expected), paired_distance(of_inputs, of_expected)
    records = []
    for place, nearer in enumerate(nearer_to_truth(away, before)):
        region = changed_region(inputs[place], expected[place])
        psnr_db = psnr_outside(edited[place], inputs[place], region)
        record: Record = {"carried_out": None if math.isnan(nearer) else bool(nearer)}
        record["kept"] = None if math.isnan(psnr_db) else psnr_db >= least_psnr_db
        record |= {"distance_expected": float(away[place]), "distance_expected_of_input": float(before[place])}
        records.append(record | {"psnr_outside_db": None if math.isnan(psnr_db) else round(psnr_db, 3)})
    return records


def share(records: Sequence[Mapping[str, Any]], measure: str) -> Record | None:
    """Return percent, interval and numbers of one measure over records with `group`; None where nothing was judged."""
    judged = [row for row in records if row[measure] is not None]
    values = np.array([float(row[measure]) for row in judged])
    mean = clustered_mean(values, [row["group"] for row in judged], bounds=(0.0, 1.0)) if judged else None
    if mean is None:
        return None
    percents = {name: round(100 * getattr(mean, name), 2) for name in ("mean", "low", "high")}
    return percents | {"num_scenes": mean.num_pairs, "num_groups": mean.num_videos}


def forgetting_content(records: Iterable[Mapping[str, Any]]) -> Record:
    """Return both measures over all scenes, and by kind of edit where kinds are known."""
    rows = list(records)
    kinds = sorted({str(row["kind"]) for row in rows if row.get("kind")})
    by_kind = {
        kind: {measure: share([row for row in rows if row.get("kind") == kind], measure) for measure in MEASURES}
        for kind in kinds
    }
    return {measure: share(rows, measure) for measure in MEASURES} | {"by_kind": by_kind}
