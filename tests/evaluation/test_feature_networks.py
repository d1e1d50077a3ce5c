"""EfficientNet-Lite0 on its real weights, and DINOv2 from a folder."""

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model

from evaluation.metrics.efficientnet import EfficientNetFeatures
from evaluation.metrics.fid import feature_network, fid
from evaluation.metrics.weights import EFFICIENTNET_MODULE, find_weights
from modeling.data.images import squash

MILITARY_UNIFORM = 652
"""The ImageNet class of matplotlib's sample photograph of Grace Hopper."""


@pytest.fixture(scope="module")
def efficientnet():
    pytest.importorskip(EFFICIENTNET_MODULE, reason="the extra `features` is not installed")
    return feature_network("efficientnet")


@pytest.fixture(scope="module")
def photograph():
    from matplotlib import cbook

    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file).convert("RGB"))


def test_efficientnet_knows_a_photograph(efficientnet, photograph):
    pixels = (torch.from_numpy(squash(photograph, 224)).permute(2, 0, 1)[None].float() - 127) / 128
    assert int(efficientnet.network.logits(pixels).argmax()) == MILITARY_UNIFORM


def test_real_features_tell_a_blur_from_another_picture(efficientnet, photograph):
    crops = [photograph[y : y + 200, x : x + 200] for y in (0, 100, 200) for x in (0, 100, 200)]
    shifted = [np.roll(crop, 1, axis=1) for crop in crops]
    first, second = efficientnet.features(crops), efficientnet.features(shifted)
    assert first.shape == (9, 1280)
    assert fid(first, second) < fid(first, efficientnet.features([crop[::-1] for crop in crops]))


def test_another_network_s_weights_are_refused(tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match="is not EfficientNet-Lite0"):
        EfficientNetFeatures.load(tmp_path / "other.pth")


def test_dinov2_is_read_from_a_folder(tmp_path):
    config = Dinov2Config(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, image_size=28, patch_size=14, mlp_ratio=2
    )
    Dinov2Model(config).save_pretrained(tmp_path / "tiny-dino")
    network = feature_network("dinov2", str(tmp_path / "tiny-dino"))
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 256, (side, side + 9, 3), dtype=np.uint8) for side in (20, 64)]
    features = network.features(pictures)
    assert features.shape == (2, 16)
    assert not np.allclose(features[0], features[1])
    assert "tiny-dino" in network.name


def test_a_folder_without_a_model_is_told_before_any_work(tmp_path):
    with pytest.raises(ValueError, match="neither a folder"):
        find_weights("dinov2", str(tmp_path))
    with pytest.raises(ValueError, match="facebook/dinov2-small"):
        find_weights("dinov2", None)
    assert find_weights("dinov2", "facebook/dinov2-small").location == "facebook/dinov2-small"
