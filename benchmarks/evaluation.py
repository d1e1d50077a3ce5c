"""The cost of an evaluation without its networks, the cost of features, and the coverage of the 95 % intervals.

python -m benchmarks.evaluation -> benchmarks/results/evaluation.json with tables_s (8 methods x 500 pairs x 3 seeds,
2 048 features: FID and KID to inputs and truths, all tables with intervals and differences, written and read again),
features_1000_s (1 000 pictures of 256 px through EfficientNet-Lite0, with FID, KID and paired distance) and
interval_coverage_..._percent (2 000 draws of every kind of interval_coverage.py: 40 videos of unequal size, fewer,
large ones; 2 and 5 training seeds; shares of 50 to 98 %, and differences of shares).
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.interval_coverage import coverage_percent, kinds
from benchmarks.recording import record
from evaluation.metrics.by_pair import fid_by_pair, kid_by_pair
from evaluation.metrics.fid import feature_network
from evaluation.metrics.similarity import nearer_to_truth, paired_distance
from evaluation.scoring.pair_table import read_pair_table, scores_content, write_pair_table
from evaluation.scoring.rows import Candidate, SplitPairs, halves_of

METHODS, PAIRS, SEEDS, WIDTH = 8, 500, 3, 2_048


def candidate(rng: np.random.Generator, number: int, inputs: np.ndarray, truths: np.ndarray) -> Candidate:
    """Return one random method with every measure."""
    columns: dict[str, list[np.ndarray]] = {}
    of_inputs = paired_distance(inputs, truths)
    for _ in range(SEEDS):
        edits = truths + 0.3 * (number + 1) * rng.standard_normal(truths.shape)
        by_measure = {
            "distance_truth": paired_distance(edits, truths),
            "distance_input": paired_distance(edits, inputs),
        }
        by_measure["nearer"] = nearer_to_truth(by_measure["distance_truth"], of_inputs)
        for name, reference in (("output", truths), ("input", inputs)):
            by_measure[f"fid_{name}"] = fid_by_pair(edits, reference)
            by_measure[f"kid_{name}"] = kid_by_pair(edits, reference)
        for name in ("match_gt", "label", "no_change"):
            by_measure[name] = (rng.random(PAIRS) < 0.6).astype(np.float64)
        for name, values in by_measure.items():
            columns.setdefault(name, []).append(values)
    label = ("finetuned", "editaction")[number] if number < 2 else f"method_{number}"
    values = {name: np.stack(column, axis=1) for name, column in columns.items()}
    return Candidate(editor=label, name=label, kind="editor", seeds=tuple(range(SEEDS)), values=values)


def tables_s() -> float:
    """Return the seconds of all set metrics, statistics and tables."""
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((PAIRS, WIDTH))
    truths = inputs + 0.5 * rng.standard_normal((PAIRS, WIDTH))
    began = time.perf_counter()
    pairs = SplitPairs(
        split="test500",
        segment_ids=tuple(f"s{number}" for number in range(PAIRS)),
        video_ids=tuple(f"v{number % 60}" for number in range(PAIRS)),
        verbs=tuple(f"verb {number % 20}" for number in range(PAIRS)),
        halves=halves_of(truths),
    )
    made = [candidate(rng, number, inputs, truths) for number in range(METHODS)]
    header = {"is_drawn_kitchen": False, "classifier": {}, "num_actions": 20}
    with tempfile.TemporaryDirectory() as folder:
        write_pair_table(Path(folder) / "scores.parquet", [(pairs, made)], header)
        scores_content(*read_pair_table(Path(folder) / "scores.parquet"))
    return time.perf_counter() - began


def features_1000_s() -> float:
    """Return the seconds of features, FID, KID and paired distance of 1 000 pictures."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, size=(1_000, 8, 8, 3), dtype=np.uint8)
    pictures = [np.kron(coarse_picture, np.ones((32, 32, 1), dtype=np.uint8)) for coarse_picture in coarse]
    network = feature_network("efficientnet")
    began = time.perf_counter()
    features = network.features(pictures)
    fid_by_pair(features[:500], features[500:])
    kid_by_pair(features[:500], features[500:])
    paired_distance(features[:500], features[500:])
    return time.perf_counter() - began


def coverages(num_draws: int) -> dict[str, float]:
    """Return the coverage of every kind of interval that the tables have."""
    return {f"interval_coverage{kind.name}_percent": round(coverage_percent(num_draws, kind), 2) for kind in kinds()}


def main() -> None:
    """Measure and record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=int, default=2_000, help="Draws behind the coverage.")
    parser.add_argument("--only-coverage", action="store_true", help="Leave the seconds as they were recorded.")
    asked = parser.parse_args()
    measures = coverages(asked.draws)
    if not asked.only_coverage:
        measures = {"tables_s": round(tables_s(), 2), "features_1000_s": round(features_1000_s(), 1)} | measures
    sizes = {"methods": METHODS, "pairs": PAIRS, "seeds": SEEDS, "features": WIDTH, "draws": asked.draws}
    record(
        "evaluation",
        "What does an evaluation cost, and do its intervals hold?",
        measures,
        keep_earlier=True,
        sizes=sizes,
    )


if __name__ == "__main__":
    main()
