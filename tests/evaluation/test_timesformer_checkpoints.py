"""Published TimeSformers, compared with every golden of the reference code in EDITACTION_GOLDENS/timesformer."""

import datetime
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import TimesformerConfig, TimesformerForVideoClassification

from evaluation.classifier.checkpoints import load_folder, load_published, load_reference
from evaluation.classifier.timesformer import (
    DropPath,
    SmallShape,
    published_timesformer,
    small_timesformer,
    to_model_input,
)
from tests.support.golden_files import goldens_folder, goldens_with, tolerance_of

GOLDENS = goldens_folder()
FILES = goldens_with("shape", "layer_norm_eps")
TOLERANCE = 1e-5

needs_golden = pytest.mark.skipif(not FILES, reason=f"no TimeSformer golden in {GOLDENS}; EDITACTION_GOLDENS names it")


def checkpoints_of(path):
    """Return the golden's checkpoints: the .pyth files and weights beside it that no other golden's name ends."""
    named = [
        file for file in path.parent.iterdir() if file.suffix == ".pyth" or file.name.startswith("reference_weights")
    ]
    ends = {file: file.stem.removeprefix("golden") for file in FILES if file.parent == path.parent}
    others = tuple(end for file, end in ends.items() if end and file != path)
    own = [checkpoint for checkpoint in named if ends[path] and checkpoint.stem.endswith(ends[path])]
    return sorted(own or [checkpoint for checkpoint in named if not checkpoint.stem.endswith(others or ("/",))])


CASES = [(path, checkpoint) for path in FILES for checkpoint in checkpoints_of(path)]


@needs_golden
@pytest.mark.parametrize(("path", "checkpoint"), CASES, ids=[f"{a.parent.name}-{a.stem}-{b.name}" for a, b in CASES])
def test_logits_and_features_of_a_converted_checkpoint_are_the_reference_s(path, checkpoint):
    facts, golden = json.loads(path.read_text()), load_file(path.with_suffix(".safetensors"))
    model = load_reference(checkpoint, facts["shape"]["num_heads"])
    tolerance = tolerance_of(facts, TOLERANCE)
    assert model.config.image_size == facts["shape"]["img_size"]
    clips = golden["clips_rgb_uint8"].numpy()
    with torch.inference_mode():
        for order, name in (("rgb", "logits"), ("bgr", "logits_when_fed_bgr")):
            logits = model(pixel_values=to_model_input(clips, order)).logits
            assert float((logits - golden[name]).abs().max()) < tolerance
        inner = model.timesformer(to_model_input(clips, "rgb"), output_hidden_states=True)
    cls = torch.stack([hidden[:, 0] for hidden in inner.hidden_states], dim=1)
    assert float((cls - golden["cls_token_before_and_after_each_block"]).abs().max()) < tolerance
    assert float((inner.last_hidden_state[:, 0] - golden["features"]).abs().max()) < tolerance


def reference_state(model, prefix="model."):
    """Return the tensors under the reference's names; this inverts the renaming."""
    from evaluation.classifier.checkpoints import OUTSIDE, PARTS

    names = {new: old for old, new in OUTSIDE.items()}
    parts = {new: old for old, new in PARTS.items()}
    state = {}
    for name, tensor in model.state_dict().items():
        if ".layer." in name:
            number, _, rest = name.partition(".layer.")[2].partition(".")
            stem, _, kind = rest.rpartition(".")
            old = f"blocks.{number}.{parts[stem]}.{kind}"
        elif name in names:
            old = names[name]
        else:
            stem, _, kind = name.rpartition(".")
            old = f"{names[stem]}.{kind}"
        state[prefix + old] = tensor.contiguous()
    return state


@pytest.fixture(scope="module")
def model():
    return small_timesformer(SmallShape(size_px=16, patch_px=8, width=64, num_layers=2), 3, seed=1).eval()


@pytest.fixture(scope="module")
def pixels():
    return torch.randn(2, 8, 3, 16, 16, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("layout", "prefix"),
    [
        ("model_state", "model."),
        ("model", ""),
        ("module", "module.model."),
        ("state_dict", "model.module."),
        (None, ""),
    ],
)
@pytest.mark.parametrize("is_zip", [True, False])
def test_every_layout_of_a_checkpoint_gives_the_same_model(model, pixels, tmp_path, layout, prefix, is_zip):
    state = reference_state(model, prefix)
    content = state if layout is None else {"epoch": 14, layout: state, "optimizer_state": {"lr": 0.005}, "cfg": "A: 1"}
    torch.save(content, tmp_path / "checkpoint.pyth", _use_new_zipfile_serialization=is_zip)
    loaded = load_reference(tmp_path / "checkpoint.pyth", num_heads=2)
    assert torch.equal(loaded(pixel_values=pixels).logits, model(pixel_values=pixels).logits)


def refused(tmp_path, content, match, num_heads=2):
    torch.save(content, tmp_path / "bad.pyth")
    with pytest.raises(ValueError, match=match):
        load_reference(tmp_path / "bad.pyth", num_heads)


def test_what_does_not_fit_is_refused_and_named(model, tmp_path):
    state = reference_state(model)
    refused(
        tmp_path, {name: tensor for name, tensor in state.items() if "temporal_" not in name}, "attention over time"
    )
    refused(tmp_path, {name: tensor for name, tensor in state.items() if "time_embed" not in name}, "time_embeddings")
    without = {name: tensor for name, tensor in state.items() if "blocks.1.norm2" not in name}
    refused(tmp_path, without, "2 tensors are missing")
    refused(tmp_path, state | {"model.blocks.0.extra.weight": torch.zeros(1)}, "of no TimeSformer")
    refused(tmp_path, state | {"module.head.bias": state["model.head.bias"]}, "under two prefixes")
    refused(tmp_path, {"model_state": state, "saved": datetime.date(2026, 1, 1)}, "could run code")
    refused(tmp_path, {"model_state": state, "rate": np.float64(0.1)}, "could run code")
    refused(tmp_path, [1, 2], "no state dict")


def test_a_hub_folder_is_read_with_safetensors_or_else_with_its_bin(model, pixels, tmp_path):
    expected = model(pixel_values=pixels).logits
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    assert torch.equal(load_published(str(tmp_path))(pixel_values=pixels).logits, expected)
    (tmp_path / "pytorch_model.bin").write_bytes(b"not read when safetensors are there")
    save_file(model.state_dict(), tmp_path / "model.safetensors")
    assert torch.equal(load_folder(tmp_path)(pixel_values=pixels).logits, expected)


def test_a_bin_that_could_run_code_is_refused(model, tmp_path):
    model.config.save_pretrained(tmp_path)
    torch.save({"classifier.weight": datetime.date(2026, 1, 1)}, tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match="could run code"):
        load_published(str(tmp_path))


def test_a_new_head_and_skipped_layers_are_put_in(model, tmp_path):
    torch.save(reference_state(model), tmp_path / "start.pyth")
    new = published_timesformer(str(tmp_path / "start.pyth"), 7, seed=0, size_px=16, num_heads=2)
    assert new.config.num_labels == 7
    assert new(pixel_values=torch.zeros(1, 8, 3, 16, 16)).logits.shape == (1, 7)
    assert all(isinstance(layer.drop_path, DropPath) for layer in new.timesformer.encoder.layer)
    new.save_pretrained(tmp_path / "saved")
    assert TimesformerForVideoClassification.from_pretrained(tmp_path / "saved").classifier.out_features == 7


def test_another_number_of_frames_or_another_side_is_refused(model, tmp_path):
    torch.save(reference_state(model), tmp_path / "start.pyth")
    with pytest.raises(ValueError, match="16 px; clips here have 8 of 24 px"):
        published_timesformer(str(tmp_path / "start.pyth"), 7, seed=0, size_px=24, num_heads=2)
    config = TimesformerConfig(
        image_size=16, patch_size=8, num_frames=4, hidden_size=64, num_hidden_layers=1, num_attention_heads=2
    )
    torch.save(reference_state(TimesformerForVideoClassification(config)), tmp_path / "four.pyth")
    with pytest.raises(ValueError, match="4 frames"):
        published_timesformer(str(tmp_path / "four.pyth"), 7, seed=0, num_heads=2)
