"""Settings that name files of weights -> these files as inputs of a stage, identified by their content, not their path.

FID's network, that of the paired distances and the classifier's start may be anywhere. The same file at another path
gives the same key, and another file at the same path gives another key. A hub id is identified by its name.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.metrics.weights import find_weights
from tasks.artifacts.artifact import Outside, digest_of, sha256_of
from tasks.artifacts.once import read_once
from tasks.config import ClassifierConfig, ScoresConfig

WEIGHTS = (".safetensors", ".bin", ".pth", ".pt", ".pyth", ".json")
"""Files of a folder that decide what its model computes."""


def outside_weights(place: str) -> Outside:
    """Return a file or folder of weights, or a hub id, as a stage's input."""
    path = Path(place)
    if path.is_file():
        return Outside(location=place, digest=read_once("sha256", path, sha256_of))
    if path.is_dir():
        files = [each for each in sorted(path.rglob("*")) if each.suffix in WEIGHTS and each.is_file()]
        digests = {file.relative_to(path).as_posix(): read_once("sha256", file, sha256_of) for file in files}
        return Outside(location=place, digest=digest_of(digests))
    return Outside(location=place, digest=digest_of({"hub": place}))


def scores_inputs(config: ScoresConfig) -> tuple[ScoresConfig, dict[str, Outside]]:
    """Return the config without places of weights, and these as the inputs `fid_weights` and `paired_weights`.

    A missing file stays in the config: the check before any work, or the stage, reports it.
    """
    inputs: dict[str, Outside] = {}
    for network, setting in (("fid_features", "fid_weights"), ("paired_features", "paired_weights")):
        kind, weights = getattr(config, network), getattr(config, setting)
        if kind is None:
            continue
        try:
            found = find_weights(kind, weights, f"scores.{setting}")
        except ValueError:
            continue
        if found is not None:
            inputs[setting] = outside_weights(found.location)
            without: dict[str, Any] = {setting: None}
            config = replace(config, **without)
    return config, inputs


def classifier_inputs(config: ClassifierConfig) -> tuple[ClassifierConfig, dict[str, Outside]]:
    """Return the config with the name of its start alone, and the start as the input `start`; none for a small one."""
    if config.start is None:
        return config, {}
    name = Path(config.start).name if Path(config.start).exists() else config.start
    return replace(config, start=name), {"start": outside_weights(config.start)}
