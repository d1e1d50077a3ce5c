"""Goldens of the authors' own code: every golden in EDITACTION_GOLDENS, with its network and its settings."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from torch import Tensor

from modeling.diffusion.inversion import DdimGrid, make_grid
from modeling.editors.text_to_image import Texts

ConfigT = TypeVar("ConfigT")
FOLDER = Path(os.environ.get("EDITACTION_GOLDENS", Path(__file__).parents[3] / "shared" / "goldens"))
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
}
"""Stable Diffusion's noise schedule. All goldens were made on it."""


@dataclass(frozen=True, kw_only=True)
class Golden:
    """One golden."""

    path: Path
    facts: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.facts["settings"])

    def config(self, kind: type[ConfigT], fields: Mapping[str, str], *, ignored: tuple[str, ...] = ()) -> ConfigT:
        """Return a method's config. `fields`: name in the golden -> field; AssertionError for a setting not among them.

        Seeds are ignored: what was drawn from them lies in the golden.
        """
        said = {name: value for name, value in self.settings.items() if not name.endswith("seed")}
        unknown = sorted(set(said) - set(fields) - set(ignored))
        assert not unknown, f"{self.path}: golden_runs.py does not know the settings {unknown}, so it cannot run it"
        return kind(**{fields[name]: value for name, value in said.items() if name in fields})

    @property
    def tolerance(self) -> float:
        return float(self.facts["tolerance_edited_abs"])

    def tolerance_of(self, name: str) -> float:
        """Return 10 times the largest rounding recorded for a tensor, and at least 1e-5 of its largest value."""
        ways = [*self.facts["float_noise_max_abs"].values(), self.facts["independent_implementation_max_abs"]]
        rounding = max(float(way.get(name, 0)) for way in ways)
        return max(10 * rounding, 1e-5 * float(self.tensors[name].abs().max()))

    def unet(self) -> UNet2DConditionModel:
        """Return the golden's network, newly made."""
        beside = [folder / "unet" for folder in self.path.parents if folder.is_relative_to(FOLDER)]
        nearest = next((folder for folder in beside if folder.is_dir()), None)
        assert nearest, f"{self.path}: there is no folder unet/ beside it or above it, up to {FOLDER}"
        return UNet2DConditionModel.from_pretrained(nearest).eval().requires_grad_(False)

    def texts(self) -> Texts:
        empty = self.tensors["emb_empty"]
        source = self.tensors.get("emb_source", empty)
        return Texts(empty=empty, source=source, target=self.tensors["emb_target"])

    def grid(self, config: Any) -> DdimGrid:
        """Return the sampling grid; assert that its times and its final alpha-bar are the recorded ones."""
        grid = make_grid(SCHEDULER, config, config.num_steps)
        assert list(grid.times) == self.facts["timesteps"] == self.tensors["timesteps"].tolist()
        assert torch.equal(grid.final_alpha.reshape(1), self.tensors["final_alpha"].reshape(1).float())
        return grid

    def error(self, edited: Tensor) -> float:
        """Return the largest difference from the reference's result, in tolerances."""
        return float((edited - self.tensors["edited"]).abs().max()) / self.tolerance


@cache
def _load(path: Path) -> Golden:
    facts = json.loads(path.read_text(encoding="utf-8"))
    return Golden(path=path, facts=facts, tensors=load_file(path.with_suffix(".safetensors")))


def goldens_of(method: str) -> list[Path]:
    """Return the JSON files of all goldens whose `method` begins with `method`."""
    return [path for path, name in _methods(FOLDER).items() if name.startswith(method)]


@cache
def _methods(folder: Path) -> dict[Path, str]:
    """Return every JSON file that has tensors of the same name beside it and names a method, in any folder below."""
    paths = [path for path in sorted(folder.rglob("*.json")) if path.with_suffix(".safetensors").is_file()]
    facts = {path: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    return {path: str(fact["method"]) for path, fact in facts.items() if isinstance(fact, dict) and "method" in fact}


def golden(path: Path) -> Golden:
    """Read a golden."""
    return _load(path)


def named(path: Path) -> str:
    """Return a golden's name for a test."""
    return str(path.relative_to(FOLDER).with_suffix(""))
