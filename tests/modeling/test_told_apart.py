"""Errors under right and other instructions: every editor gets the same questions, in any division of the pairs."""

import numpy as np
import pytest
import torch

from modeling.data.images import encode_png
from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from modeling.diffusion.schedule import NoiseSchedule, predict
from modeling.editors.instruct_pix2pix import Editor
from modeling.measuring.telling_apart import Asked, noise_and_timestep
from modeling.objective.kindred_negatives import make_sampler
from modeling.objective.losses import squared_error
from modeling.training.latents import embed_texts, latent_source
from tasks.config import ToldApartConfig
from tests.support.drawn_examples import example
from tests.support.tiny_pipeline import SIZE_PX, drawn_pictures, tiny_pipeline

SENTENCES = [
    ("take cup", "take", "cup"),
    ("take plate", "take", "plate"),
    ("put cup", "put", "cup"),
    ("open", "open", ""),
]
KINDS = ("disjoint", "same_verb", "same_object")


@pytest.fixture(scope="module")
def examples(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    pictures = drawn_pictures(16)
    write_shard(
        folder / "test-000000.tar",
        [
            example(
                f"v-{number:06d}",
                instruction=text,
                verb=verb,
                object=thing,
                source_file=encode_png(pictures[2 * number]),
                edited_file=encode_png(pictures[2 * number + 1]),
            )
            for number, (text, verb, thing) in enumerate(SENTENCES * 2)
        ],
    )
    return Examples(folder)


def asked_of(examples, seed=0):
    editor = Editor(tiny_pipeline(seed=seed))
    samplers = {kind: make_sampler(examples, editor.tokenizer, kind) for kind in KINDS}
    return editor, samplers, Asked(editor, examples, samplers, SIZE_PX)


def test_errors_are_those_of_the_network_under_the_instruction_that_was_drawn(examples):
    editor, samplers, asked = asked_of(examples)
    records = asked.errors(np.arange(8), seed=5, draw=1, num_draws=3)
    texts = embed_texts(editor, examples.instructions, dtype=torch.float32, tick=lambda done, total: None)
    schedule = NoiseSchedule(editor.scheduler.config, editor.device)
    latents = latent_source(
        editor,
        examples,
        size_px=SIZE_PX,
        with_flips=False,
        dtype=torch.float32,
        mode="on",
        tick=lambda done, total: None,
    )
    others = samplers["same_verb"].draw(np.arange(8), seed=5, step=1)
    with torch.inference_mode():
        for row, record in enumerate(records):
            noise, timestep = noise_and_timestep(5, record["segment_id"], 1, 3, editor.latent_shape(SIZE_PX), 1000)
            assert record["timestep"] == timestep
            assert 333 <= timestep < 667
            one = latents.take(np.array([row]), np.array([False]))
            times, eps = torch.tensor([timestep]), torch.from_numpy(noise)[None]
            noisy, goal = schedule.add_noise(one.target, eps, times), schedule.target(one.target, eps, times)
            own = squared_error(predict(editor.unet, noisy, one.condition, times, texts[row : row + 1]), goal)
            assert record["own"] == pytest.approx(own.item(), abs=1e-5)
            if record["same_verb"] is not None:
                other = examples.instructions.index(samplers["same_verb"].unique[others.instructions[row]])
                error = squared_error(predict(editor.unet, noisy, one.condition, times, texts[other : other + 1]), goal)
                assert record["same_verb"] == pytest.approx(error.item(), abs=1e-5)
    assert {row: record["same_object"] is None for row, record in enumerate(records[:4])} == {
        0: False,
        1: True,
        2: False,
        3: True,
    }


def test_how_the_pairs_are_cut_up_does_not_matter(examples):
    _, _, asked = asked_of(examples)
    whole = asked.errors(np.arange(8), seed=0, draw=0, num_draws=2)
    parts = [
        record
        for first in (0, 3, 6)
        for record in asked.errors(np.arange(first, min(first + 3, 8)), seed=0, draw=0, num_draws=2)
    ]
    for one, other in zip(whole, parts, strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert other[name] == (value if not isinstance(value, float) else pytest.approx(value, abs=1e-5))


def test_two_editors_are_asked_the_same_and_another_draw_is_another_question(examples):
    records = [asked_of(examples, seed)[2].errors(np.arange(8), seed=0, draw=0, num_draws=2) for seed in (0, 1)]
    assert [row["timestep"] for row in records[0]] == [row["timestep"] for row in records[1]]
    assert [row["own"] for row in records[0]] != [row["own"] for row in records[1]]
    noise = [noise_and_timestep(0, "v-000000", draw, 2, (4, 8, 8), 1000) for draw in (0, 1)]
    assert not np.array_equal(noise[0][0], noise[1][0])
    assert noise[0][1] < 500 <= noise[1][1]


def test_swapped_instructions_are_no_question_since_no_pair_has_them():
    with pytest.raises(ValueError, match="swapped"):
        ToldApartConfig(kinds=("disjoint", "swapped"))
