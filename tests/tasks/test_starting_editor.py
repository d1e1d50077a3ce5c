"""The starting editor that comes with the project is small, fits its card, follows static edits, and knows no
action.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from diffusers import StableDiffusionInstructPix2PixPipeline

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.static_edits import sample_static_edit
from modeling.small_editor.pipeline import SmallSizes
from modeling.small_editor.pretrain import Learner
from tasks.starting_editor.build import build_starting_editor
from tasks.starting_editor.card import weight_hashes
from tasks.starting_editor.static_pairs import Task, action_tasks, judge_tasks

FOLDER = Path(__file__).parents[2] / "modeling" / "starting_editor"


@pytest.fixture(scope="module")
def shipped() -> tuple[StableDiffusionInstructPix2PixPipeline, Learner]:
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(FOLDER)
    pipeline.vae.float()
    return pipeline, Learner(pipeline.unet.float(), pipeline.text_encoder.float()).eval()


def test_it_is_small_and_holds_data_only() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 20_000_000
    assert {path.suffix for path in files} == {".safetensors", ".json", ".md", ".txt"}  # merges.txt of the tokenizer


def test_its_weights_are_those_of_its_card() -> None:
    hashes = weight_hashes(FOLDER)
    card = (FOLDER / "README.md").read_text()
    assert hashes == json.loads((FOLDER / "card.json").read_text())["weights_sha256"]
    assert len(hashes) == 3
    assert all(digest in card for digest in hashes.values())


def test_it_follows_static_edits_on_scenes_it_has_not_seen(
    shipped: tuple[StableDiffusionInstructPix2PixPipeline, Learner],
) -> None:
    rng = np.random.default_rng(987_654)
    edits = [sample_static_edit(rng, fixed_view()) for _ in range(40)]
    tasks = [Task(before=edit.before, instruction=edit.instruction, goal=edit.goal) for edit in edits]
    figures = judge_tasks(*shipped, tasks, SmallSizes().picture_px)
    assert figures["carried_out_percent"] >= 85
    assert figures["kept_percent"] >= 85


def test_it_knows_no_action(shipped: tuple[StableDiffusionInstructPix2PixPipeline, Learner]) -> None:
    figures = judge_tasks(*shipped, action_tasks(987_654, 40), SmallSizes().picture_px)
    assert figures["carried_out_percent"] <= 5


@pytest.mark.slow
def test_a_build_that_is_cut_off_goes_on_and_ends_with_a_card(tmp_path: Path) -> None:
    class CutOff(Exception):
        """Stands for a kill."""

    def cut_off(step: int, total: int) -> None:
        assert total == 4
        if step == 3:
            raise CutOff

    with pytest.raises(CutOff):
        build_starting_editor(tmp_path / "start", steps=4, num_pairs=64, on_progress=cut_off)
    steps: list[int] = []
    facts = build_starting_editor(
        tmp_path / "start", steps=4, num_pairs=64, on_progress=lambda step, total: steps.append(step)
    )
    assert steps[0] == 2
    assert steps[-1] == 4
    assert facts["num_judged"] == 8
    assert [tmp_path / "start"] == list(tmp_path.iterdir())
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(tmp_path / "start")
    assert pipeline.unet.config.in_channels == 2 * SmallSizes().latent_channels
    card = json.loads((tmp_path / "start" / "card.json").read_text())
    assert weight_hashes(tmp_path / "start") == card["weights_sha256"]
