"""Files and hub ids from outside -> inputs of a stage, identified by their content, not their path.

Annotations, the start, the networks of FID and of the paired distances and the classifier's start may be anywhere. The
same file at another path gives the same key, and another file at the same path gives another key. A hub id is
identified by its name.
"""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from evaluation.metrics.weights import find_weights
from modeling.hub import folder_or_hub_id
from tasks.artifacts.artifact import Outside, digest_of
from tasks.artifacts.once import sha256_once
from tasks.config import ClassifierConfig, Reader, ScoresConfig

WEIGHTS = (".safetensors", ".bin", ".pth", ".pt", ".pyth", ".json")
"""Files of a folder of weights that decide what its model computes."""
START_FILES = (".safetensors", ".json", ".txt")
"""Files of a pipeline's folder that decide what it computes; .txt: the merges of its tokenizer."""


def outside_file(path: Path) -> Outside:
    """Return a file as a stage's input."""
    return Outside(location=str(path), digest=sha256_once(path))


def outside_annotations(path: Path, reader: Reader) -> Outside:
    """Return annotations as a stage's input: a file; for LeRobot also all files of episodes."""
    if reader != "lerobot":
        return outside_file(path)
    episodes = sorted((path.parent / "episodes").glob("*/*.parquet"))
    return Outside(location=str(path), digest=_content(path.parent, [path, *episodes]))


def outside_start(start: str, setting: str = "--start") -> Outside:
    """Return the start as a stage's input: a pipeline folder by its files' content, a hub id by its name."""
    folder = folder_or_hub_id(start, "model_index.json", setting)
    return _outside_hub(start) if folder is None else _outside_folder(start, START_FILES)


def outside_weights(place: str) -> Outside:
    """Return a file or folder of weights, or a hub id, as a stage's input."""
    path = Path(place)
    if path.is_file():
        return outside_file(path)
    return _outside_folder(place, WEIGHTS) if path.is_dir() else _outside_hub(place)


def _outside_folder(place: str, suffixes: tuple[str, ...]) -> Outside:
    files = [path for path in sorted(Path(place).rglob("*")) if path.suffix in suffixes and path.is_file()]
    return Outside(location=place, digest=_content(Path(place), files))


def _outside_hub(name: str) -> Outside:
    return Outside(location=name, digest=digest_of({"hub": name}))


def _content(folder: Path, files: Iterable[Path]) -> str:
    return digest_of({file.relative_to(folder).as_posix(): sha256_once(file) for file in files})


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
            network_weights = find_weights(kind, weights, f"scores.{setting}")
        except ValueError:
            continue
        if network_weights is not None:
            inputs[setting] = outside_weights(network_weights.location)
            without: dict[str, Any] = {setting: None}
            config = replace(config, **without)
    return config, inputs


def classifier_inputs(config: ClassifierConfig) -> tuple[ClassifierConfig, dict[str, Outside]]:
    """Return the config with the name of its start alone, and the start as the input `start`; none for a small one."""
    if config.start is None:
        return config, {}
    name = Path(config.start).name if Path(config.start).exists() else config.start
    return replace(config, start=name), {"start": outside_weights(config.start)}
