"""Workspace of a finished run of the compared systems -> its measures with intervals, and one Markdown table of them.

Everything is read from the artifacts: `scores.parquet` of each network of features, and the manifests for seconds and
settings.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.scoring.measures import BESIDE, MEASURES, Measure
from evaluation.scoring.networks import network_of
from evaluation.scoring.pair_table import FILE, read_pair_table
from evaluation.scoring.rows import Candidate, SplitPairs, split_table
from evaluation.statistics.clustered_mean import clustered_mean
from modeling.editors.settings import METHOD_CONFIGS, MethodConfig
from tasks.artifacts.artifact import artifacts_of
from tasks.pages.editor_names import editor_name
from tasks.stages import STAGES

REAL = "real_"
"""Before the name of such a measure on EfficientNet's features; without it on fixed random ones."""
COLUMNS = {
    "carried_out_percent": "carried out %",
    "kept_percent": "kept %",
    "both_percent": "both %",
    "acc_match_gt_percent": "accuracy A %",
    "kid_output": "KID, random",
    "fid_output": "FID, random",
    f"{REAL}kid_output": "KID, real",
    f"{REAL}fid_output": "FID, real",
    "cpu_seconds_per_picture": "CPU seconds",
    "unet_rows_per_picture": "U-Net rows",
}
"""Columns of the table: measure -> heading."""
REFERENCES = {
    "copy": "copy of the input",
    "truth": "ground truth",
    "truth_vae": "ground truth through the editor's autoencoder",
    "start": "InstructPix2Pix (the untouched start)",
}
"""How rows are called that are no method; the start plays InstructPix2Pix's part in the drawn kitchen."""
Measures = dict[str, float]
Intervals = dict[str, list[float]]


def measures_of(workspace: Path) -> tuple[Measures, Intervals, int]:
    """Return EDITOR.MEASURE -> mean and interval of every row of the first test split, and the number of pairs.

    The newest scores on each network of features are read.
    """
    measures: Measures = {}
    intervals: Intervals = {}
    num_pairs = 0
    of_key = {measure.key: measure for measure in MEASURES}
    for folder in newest_scores(workspace):
        splits, header = read_pair_table(folder / FILE)
        pairs, candidates = splits[0]
        num_pairs = len(pairs.segment_ids)
        for row in split_table(candidates, pairs)["rows"]:
            for key, value in row.items():
                if key not in of_key or value is None:
                    continue
                full = f"{row['editor']}.{name_of(of_key[key], header)}"
                measures[full], intervals[full] = value["mean"], value["interval"]
        for full, (mean, interval) in carried_out_and_kept(pairs, candidates).items():
            measures[full], intervals[full] = mean, interval
    return measures, intervals, num_pairs


def name_of(measure: Measure, header: Mapping[str, Any]) -> str:
    """Return a measure's name, with the kind of features where it is of features."""
    network = network_of(measure, header)
    prefix = REAL if network and not network.startswith("fixed-random") else ""
    return prefix + measure.key.removesuffix(BESIDE)


def newest_scores(workspace: Path) -> list[Path]:
    """Return the newest scores with each network of features as the first one."""
    artifacts = artifacts_of(workspace, "scores")
    return list({artifact.manifest["config"]["fid_features"]: artifact.path for artifact in artifacts}.values())


def carried_out_and_kept(pairs: SplitPairs, candidates: Sequence[Candidate]) -> dict[str, tuple[float, list[float]]]:
    """Return EDITOR.both_percent -> percentage of edits both carried out and kept, and its interval over videos."""
    shares = {}
    for candidate in candidates:
        columns = [candidate.values.get(name) for name in ("carried_out", "kept")]
        if any(column is None or np.isnan(column).all() for column in columns):
            continue
        both = clustered_mean((columns[0] * columns[1]).mean(axis=1), pairs.video_ids, bounds=(0.0, 1.0))
        if both is not None:
            interval = [round(100 * both.low, 6), round(100 * both.high, 6)]
            shares[f"{candidate.editor}.both_percent"] = (round(100 * both.mean, 6), interval)
    return shares


def stage_seconds(workspace: Path) -> dict[str, float]:
    """Return the seconds of every artifact of a workspace, as their manifests say."""
    return {
        f"{stage}:{artifact.path.name}": round(float(artifact.manifest["seconds"]), 1)
        for stage in STAGES
        for artifact in artifacts_of(workspace, stage)
    }


def method_settings(workspace: Path) -> dict[str, MethodConfig]:
    """Return the settings under which each text-to-image method edited, as the manifests say."""
    configs = [artifact.manifest["config"] for artifact in artifacts_of(workspace, "edits")]
    return {
        config["method"]: METHOD_CONFIGS[config["method"]](**config["settings"])
        for config in configs
        if config.get("method") in METHOD_CONFIGS
    }


def training_steps(workspace: Path) -> dict[str, int]:
    """Return the training steps of every editor of a workspace."""
    editors = artifacts_of(workspace, "editor")
    return {artifact.path.name: int(artifact.manifest["config"]["num_steps"]) for artifact in editors}


def markdown(measures: Mapping[str, float], intervals: Mapping[str, list[float]]) -> str:
    """Return the table: one row an editor, percentages with their intervals."""
    editors = list(dict.fromkeys(name.split(".")[0] for name in measures if "." in name))
    lines = ["| | " + " | ".join(COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for editor in editors:
        cells = [cell(measures, intervals, f"{editor}.{column}") for column in COLUMNS]
        lines.append(f"| {REFERENCES.get(editor, editor_name(editor))} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cell(measures: Mapping[str, float], intervals: Mapping[str, list[float]], name: str) -> str:
    """Return a number as printed; - where there is none."""
    if name not in measures:
        return "-"
    value = measures[name]
    if not name.endswith("percent"):
        return f"{value:.4g}"
    low, high = intervals[name]
    return f"{value:.1f} ({low:.1f} to {high:.1f})"
