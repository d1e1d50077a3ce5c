"""Warnings before the first step: equal instructions, one verb, many passes, long texts, foreign pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.static_edits import sample_static_edit
from modeling.config import TrainConfig
from modeling.data.images import to_uint8
from modeling.data.loader import Examples
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.tokens import cut_off, cut_texts
from modeling.runs.beforehand import many_epochs, warnings_before
from modeling.small_editor.foreign import foreign_pictures
from modeling.small_editor.shipped import SMALL, STARTING_EDITOR, named_start
from tasks.starting_editor.static_pairs import draw_pictures
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline, write_examples

FEW_STEPS = TrainConfig(size_px=SIZE_PX, batch_size=2, num_steps=5, precision="fp32")
LONG = "take the cup from the table and then put the plate on the left table and close the cupboard"


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor(tiny_pipeline())


@pytest.fixture(scope="module")
def small() -> Editor:
    return Editor.load(STARTING_EDITOR, "cpu")


def said(folder: Path, editor: Editor, instructions: tuple[str, ...], config: TrainConfig = FEW_STEPS) -> list[str]:
    return warnings_before(config, Examples(write_examples(folder, count=6, instructions=instructions)), editor)


def test_equal_instructions_are_said_to_leave_no_contrast(tmp_path: Path, editor: Editor) -> None:
    told = said(tmp_path, editor, ("take cup",))
    assert any(
        "All 6 training instructions are equal ('take cup')" in sentence and "L_action is 0" in sentence
        for sentence in told
    )
    without = replace(FEW_STEPS, objective=replace(FEW_STEPS.objective, lambda_action=0.0))
    assert not any("L_action" in sentence for sentence in said(tmp_path / "b", editor, ("take cup",), without))


def test_different_instructions_are_no_matter(tmp_path: Path, editor: Editor) -> None:
    told = said(tmp_path, editor, ("take cup", "open the cupboard"))
    assert not any("L_action" in sentence for sentence in told)


def test_one_verb_is_said_to_make_accuracy_empty(tmp_path: Path, editor: Editor) -> None:
    told = said(tmp_path, editor, ("take cup", "open the cupboard"))
    assert any("one verb (take out)" in sentence for sentence in told)  # the verb of all drawn examples


def test_very_many_passes_are_said_with_fewer_steps_instead() -> None:
    told = many_epochs(TrainConfig(), 160)
    assert "10,000 steps of 64 see each of 160 training pairs 4,000 times" in told
    assert "editor.num_steps=250" in told
    assert many_epochs(TrainConfig(), 24_000) == ""


def test_instructions_beyond_the_token_limit_are_counted(tmp_path: Path, editor: Editor) -> None:
    told = said(tmp_path, editor, ("take cup", LONG))
    (line,) = [sentence for sentence in told if "instruction_too_long" in sentence]
    assert line.startswith("3 of 6 training instructions")
    assert "close the cupboard" in line


@pytest.mark.parametrize("tail", ["close the door", "open the door"])
def test_the_end_of_a_long_instruction_is_named(tail: str, small: Editor) -> None:
    text = "open the fridge and take the red cup from the left shelf and then " * 12 + tail
    assert cut_off(small.tokenizer, text).endswith(tail)
    assert cut_off(small.tokenizer, "take the cup") == ""
    assert list(cut_texts(small.tokenizer, ["take the cup", text, text])) == [text]


def test_a_text_that_just_fits_is_not_cut(editor: Editor) -> None:
    whole = " ".join(["cup"] * (editor.tokenizer.model_max_length - 2))
    assert cut_off(editor.tokenizer, whole) == ""
    assert cut_off(editor.tokenizer, f"{whole} plate") == "plate"


def test_the_small_editor_knows_its_kitchen_from_other_pictures(small: Editor) -> None:
    rng = np.random.default_rng(0)
    scenes = [sample_static_edit(rng, fixed_view()).before for _ in range(4)]
    assert foreign_pictures(small, list(to_uint8(draw_pictures(scenes, 96)))) == ""
    noise = rng.integers(0, 256, (3, 24, 32, 3)).astype(np.uint8)
    assert "drawn furniture" in foreign_pictures(small, list(noise))


def test_another_editor_may_meet_any_picture(editor: Editor) -> None:
    assert foreign_pictures(editor, list(drawn_pictures(3))) == ""


def test_small_names_the_shipped_editor_unless_a_folder_has_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert named_start(SMALL) == str(STARTING_EDITOR)
    assert named_start("owner/name") == "owner/name"
    (tmp_path / SMALL).mkdir()
    assert named_start(SMALL) == SMALL
