"""Weights and configs that anybody may have written: a line names the file, and no memory is taken for its claims."""

import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import TimesformerConfig, TimesformerForVideoClassification

from evaluation.classifier.checkpoints import load_folder
from evaluation.metrics.tensor_files import load_checkpoint, load_tensors


def refusal_of(path: Path) -> str | None:
    try:
        load_tensors(path)
    except ValueError as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("is_zip", [True, False])
def test_changed_bytes_are_told_by_their_file(is_zip: bool, tmp_path: Path) -> None:
    path = tmp_path / "x.pth"
    torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=is_zip)
    whole, drawn = path.read_bytes(), random.Random(7)
    num_refused = 0
    for number in range(150):
        changed = bytearray(whole)
        changed[drawn.randrange(len(whole))] = drawn.randrange(256)
        path.write_bytes(changed[: drawn.randrange(len(whole))] if number % 5 == 0 else changed)
        said = refusal_of(path)
        assert said is None or said.startswith(str(path))
        num_refused += said is not None
    assert num_refused > 50


def nested() -> dict[str, Any]:
    content: dict[str, Any] = {}
    content["model"] = content
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({"a": torch.zeros(1, dtype=torch.float16).expand(10**6, 10**6)}, "claims"),
        ({"a": torch.tensor([float("nan")])}, "not finite"),
        ({"a": torch.zeros(2, dtype=torch.complex64)}, "plain numbers"),
        ({"a": torch.zeros(2, 2).to_sparse()}, "plain numbers"),
        (nested(), "no state dict"),
    ],
)
def test_tensors_that_are_none_are_refused(content: dict[str, Any], said: str, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(ValueError, match=rf"x\.pth.*{said}"):
        load_tensors(tmp_path / "x.pth")


def test_a_compressed_archive_takes_no_memory(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1 << 20)}, tmp_path / "big.pth")
    with zipfile.ZipFile(tmp_path / "big.pth") as big, zipfile.ZipFile(tmp_path / "x.pth", "w", 8) as small:
        for member in big.infolist():
            small.writestr(member.filename, big.read(member))
    with pytest.raises(ValueError, match=r"x\.pth claims \d+ bytes"):
        load_checkpoint(tmp_path / "x.pth")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("classifier")
    config = TimesformerConfig(
        image_size=32, patch_size=16, hidden_size=64, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
    )
    TimesformerForVideoClassification(config).save_pretrained(folder)
    return folder


@pytest.mark.parametrize(
    "change",
    [
        {"hidden_size": 200_000},
        {"hidden_size": -3},
        {"hidden_size": 10**400},
        {"num_hidden_layers": 10**7},
        {"num_hidden_layers": 100_000},
        {"num_attention_heads": 0},
        {"image_size": "x"},
        {"image_size": 900_000},
        {"hidden_act": "os.system"},
        {"layer_norm_eps": float("nan")},
        [],
        None,
    ],
)
def test_a_config_that_does_not_fit_its_weights_is_told(change: Any, classifier: Path, tmp_path: Path) -> None:
    whole = json.loads((classifier / "config.json").read_text(encoding="utf-8"))
    content = whole | change if isinstance(change, dict) else change
    (tmp_path / "config.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "model.safetensors").symlink_to(classifier / "model.safetensors")
    with pytest.raises(ValueError, match=r"(config\.json|model\.safetensors)"):
        load_folder(tmp_path)


def test_labels_and_code_of_a_config_are_not_read(classifier: Path, tmp_path: Path) -> None:
    whole = json.loads((classifier / "config.json").read_text(encoding="utf-8"))
    odd = {"id2label": [1], "num_labels": 10**12, "auto_map": {"AutoConfig": "evil.py--X"}, "dtype": "evil"}
    (tmp_path / "config.json").write_text(json.dumps(whole | odd), encoding="utf-8")
    (tmp_path / "model.safetensors").symlink_to(classifier / "model.safetensors")
    assert load_folder(tmp_path).config.num_labels == 2
