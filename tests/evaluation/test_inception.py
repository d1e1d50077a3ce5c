"""FID's Inception, compared with every golden of the reference code in EDITACTION_GOLDENS/inception."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from evaluation.metrics.fid import feature_network, fid
from evaluation.metrics.inception import Inception, load_inception
from evaluation.metrics.inception_inputs import InceptionFeatures, resized, to_inception_input
from evaluation.metrics.kid import kid
from evaluation.metrics.weights import INCEPTION_FILE, find_weights
from tests.support.golden_files import goldens_folder, goldens_with, tolerance_of
from tests.support.inception_golden import drawn_picture, drawn_weights, size_of

GOLDENS = goldens_folder()
FILES = goldens_with("weights", "picture_order")
RESIZES = ("pytorch_fid", "torch_fidelity", "clean_fid")
TOLERANCE = 2e-4

needs_golden = pytest.mark.skipif(not FILES, reason=f"no golden of Inception in {GOLDENS}; EDITACTION_GOLDENS names it")


class Golden:
    """Return a golden with its weights, which are drawn only once."""

    def __init__(self, path):
        self.facts = json.loads(path.read_text())
        self.tolerance = tolerance_of(self.facts, TOLERANCE)
        self.tensors = load_file(path.with_suffix(".safetensors"))
        self.salt = self.facts["weights"]["salt"]
        keys = path.with_name(path.stem.replace("golden", "keys") + ".json")
        shapes = json.loads((keys if keys.is_file() else path.with_name("keys.json")).read_text())
        self.weights = drawn_weights(self.salt, shapes)
        self.pictures = [
            drawn_picture(self.salt, f"picture/{name}", *size_of(name)) for name in self.facts["picture_order"]
        ]
        self.network = Inception()
        self.network.load_state_dict(self.weights)

    def of_resize(self, name, resize):
        """Return the tensor of this name behind a resize; the test is skipped where the golden has no such resize."""
        if f"{name}.{resize}" not in self.tensors:
            pytest.skip(f"this golden has no {name} behind {resize}")
        return self.tensors[f"{name}.{resize}"]


@pytest.fixture(scope="module", params=FILES, ids=lambda path: str(path.relative_to(GOLDENS).with_suffix("")))
def golden(request):
    return Golden(request.param)


@needs_golden
def test_weights_and_pictures_are_drawn_by_the_rule(golden):
    digest = hashlib.sha256()
    for name in sorted(golden.weights):
        if not name.endswith("num_batches_tracked"):
            digest.update(golden.weights[name].numpy().astype("<f4").tobytes())
    expected = golden.facts["weights"]["sha256_of_all_float32_little_endian_in_sorted_key_order"]
    assert digest.hexdigest() == expected
    for label, picture in zip(golden.facts["picture_order"], golden.pictures, strict=True):
        assert hashlib.sha256(picture.tobytes()).hexdigest() == golden.facts["pictures_sha256_of_raw_bytes"][label]


@needs_golden
@pytest.mark.parametrize("resize", RESIZES)
def test_pictures_are_resized_as_the_reference_does(golden, resize):
    for picture, grid in zip(golden.pictures, golden.of_resize("resized_grid", resize), strict=True):
        assert torch.allclose(resized(picture, resize)[:, ::23, ::23].permute(1, 2, 0), grid, rtol=0, atol=1e-4)


@needs_golden
@pytest.mark.parametrize("resize", RESIZES)
def test_features_are_those_of_the_reference(golden, resize):
    expected = golden.of_resize("features", resize).numpy()
    features = InceptionFeatures(golden.network, "drawn", resize).features(golden.pictures)
    assert np.abs(features - expected).max() < golden.tolerance


@needs_golden
@pytest.mark.parametrize("resize", RESIZES)
def test_maps_and_logits_on_the_way_are_those_of_the_reference(golden, resize):
    expected = {name: tap for name, tap in golden.tensors.items() if name.startswith(f"taps.{resize}.")}
    if not expected:
        pytest.skip(f"this golden has no maps behind {resize}")
    with torch.inference_mode():
        taps = golden.network.taps(to_inception_input(golden.pictures, resize))
    for name, tap in expected.items():
        assert float((taps[name.removeprefix(f"taps.{resize}.")] - tap).abs().max()) < golden.tolerance, name


@needs_golden
@pytest.mark.parametrize("resize", RESIZES)
def test_fid_and_kid_of_two_sets_are_the_reference_s(golden, resize):
    """The reference computes in float64 with the nuclear norm, and torch-fidelity's KID with one subset of all
    pictures.
    """
    first, second = (golden.of_resize(f"set_{letter}", resize).double().numpy() for letter in "ab")
    half = len(first) // 2
    halves = first[:half], first[half:]
    of_sets, of_halves = (fid(first, second), kid(first, second)), (fid(*halves), kid(*halves))
    for name, expected in golden.facts["sets"][resize].items():
        if not name.startswith(("fid_", "kid_")) or "float32" in name:
            continue
        told = (of_halves if "halves" in name else of_sets)[name.startswith("kid_")]
        assert told == pytest.approx(expected, abs=1e-3 if name.startswith("fid_") else 1e-6), name


@pytest.fixture(scope="module")
def state():
    return Inception().state_dict()


def test_weights_come_from_a_pth_of_either_format_or_safetensors_with_or_without_batch_counts(state, tmp_path):
    few = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(few, tmp_path / "few.pth")
    save_file(few, tmp_path / "copy.safetensors")
    for name in ("old.pth", "few.pth", "copy.safetensors"):
        network, known = load_inception(tmp_path / name)
        assert torch.equal(network.fc.weight, state["fc.weight"])
        assert "not the official one" in known
    network = feature_network("inception", str(tmp_path / "copy.safetensors"), "torch_fidelity")
    assert "TensorFlow 1" in network.name


def test_other_files_are_refused_with_a_reason(state, tmp_path):
    torch.save({**state, "fc.bias": torch.zeros(1000)}, tmp_path / "stock.pth")
    with pytest.raises(ValueError, match=r"another shape \(such as fc.bias\)"):
        load_inception(tmp_path / "stock.pth")
    torch.save({"weights": Path("/")}, tmp_path / "objects.pth")
    with pytest.raises(ValueError, match="could run code"):
        load_inception(tmp_path / "objects.pth")
    torch.jit.script(torch.nn.Linear(2, 2)).save(tmp_path / "program.pt")
    with pytest.raises(ValueError, match="a program"):
        load_inception(tmp_path / "program.pt")
    (tmp_path / "text.pth").write_text("<html>")
    with pytest.raises(ValueError, match=r"text\.pth"):
        load_inception(tmp_path / "text.pth")


@pytest.mark.parametrize("weights", [None, "nowhere.pth"])
def test_missing_weights_are_one_message_with_name_size_and_address(weights):
    with pytest.raises(ValueError, match="96 MB") as told:
        find_weights("inception", weights)
    assert INCEPTION_FILE in str(told.value)
    assert "https://github.com/mseitzer/pytorch-fid/releases/download/fid_weights/" in str(told.value)
