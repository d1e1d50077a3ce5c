"""`editaction text-to-image`: the kitchen's text-to-image model, built in a few steps."""

import json
from pathlib import Path

import pytest

from modeling.editors.load import load_method
from modeling.small_editor.shipped import STARTING_EDITOR
from tasks.starting_editor import text_to_image


@pytest.mark.slow
def test_the_later_of_two_equal_candidates_is_kept_and_the_methods_take_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_to_image, "NUM_JUDGED", 4)
    monkeypatch.setattr(text_to_image, "SAMPLING_STEPS", 2)
    facts = text_to_image.build_text_to_image(tmp_path / "model", Path(STARTING_EDITOR), steps=2, num_scenes=20)
    assert list(facts["candidates"]) == ["1", "2"], "each replaces the one before unless it is worse"
    card = json.loads((tmp_path / "model" / "card.json").read_text())
    assert card["shown_percent"] == max(facts["candidates"].values())
    assert load_method("masactrl", tmp_path / "model", "cpu").model.unet.conv_in.in_channels == 64
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
