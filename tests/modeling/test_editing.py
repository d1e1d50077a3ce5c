"""Loading, saving and editing: the short cuts of Eq. 8, diffusers' own pipeline as the reference, seeds per picture."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, StableDiffusionInstructPix2PixPipeline
from PIL import Image

from modeling.config import SamplingConfig, SchedulerName
from modeling.data.images import to_tensor
from modeling.diffusion.sampling import guide, make_scheduler
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.widening import widen_input
from modeling.presets import GUIDANCES, guidance_ip2p, guidance_paper
from tests.support.tiny_pipeline import INSTRUCTIONS, SIZE_PX, drawn_pictures, tiny_pipeline, tiny_unet

QUICK = SamplingConfig(size_px=SIZE_PX, num_steps=5, precision="fp32")
KITCHEN_LIKE = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "rescale_betas_zero_snr": True,
    "timestep_spacing": "trailing",
    "clip_sample": False,
}


@pytest.fixture(scope="module")
def editor() -> Editor:
    return Editor(tiny_pipeline())


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    tiny_pipeline().save_pretrained(folder)
    return folder


def by_pipeline(pipeline, picture: np.ndarray, instruction: str, seed: int, config: SamplingConfig) -> np.ndarray:
    """Edit with diffusers' own loop of three passes."""
    (edited,) = pipeline(
        instruction,
        image=Image.fromarray(picture),
        num_inference_steps=config.num_steps,
        guidance_scale=config.text_guidance,
        image_guidance_scale=config.image_guidance,
        generator=torch.Generator().manual_seed(seed),
        output_type="np",
    ).images
    return (edited * 255).round().astype(np.uint8)


def assert_same_pictures(actual: np.ndarray, expected: np.ndarray) -> None:
    """Assert that pictures are equal within one level of 255."""
    assert np.abs(actual.astype(int) - expected.astype(int)).max() <= 1


def test_at_image_guidance_1_the_unconditional_prediction_has_no_weight() -> None:
    full, picture, none = torch.randn(3, 2, 4, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    three = guide(full, picture, none, image_guidance=1.0, text_guidance=7.5)
    two = guide(full, picture, None, image_guidance=1.0, text_guidance=7.5)
    torch.testing.assert_close(two, three, rtol=0, atol=1e-13)
    torch.testing.assert_close(guide(full, picture, none, image_guidance=1.0, text_guidance=1.0), full)
    expected = none + 1.5 * (picture - none) + 7.5 * (full - picture)
    torch.testing.assert_close(guide(full, picture, none, image_guidance=1.5, text_guidance=7.5), expected)


@pytest.mark.parametrize(("image_guidance", "text_guidance"), [(1.0, 7.5), (1.5, 7.5), (1.0, 1.0), (1.3, 2.0)])
@pytest.mark.parametrize("kind", ["hub", "kitchen"])
def test_an_edit_is_what_diffusers_pipeline_makes_of_the_same_generator(
    kind: str, image_guidance: float, text_guidance: float
) -> None:
    pipeline = tiny_pipeline(scheduler=DDIMScheduler(**KITCHEN_LIKE) if kind == "kitchen" else None)
    config = SamplingConfig(
        size_px=SIZE_PX,
        num_steps=5,
        precision="fp32",
        image_guidance=image_guidance,
        text_guidance=text_guidance,
        scheduler="pipeline",
    )
    picture = drawn_pictures(1)
    expected = by_pipeline(pipeline, picture[0], INSTRUCTIONS[2], 11, config)
    edited = Editor(pipeline).edit(picture, [INSTRUCTIONS[2]], [11], config)
    assert_same_pictures(edited[0], expected)


def test_two_passes_are_run_at_image_guidance_1_and_three_otherwise(editor: Editor) -> None:
    counts = []
    handle = editor.unet.register_forward_pre_hook(lambda unet, inputs: counts.append(len(inputs[0])))
    for image_guidance, text_guidance in ((1.0, 7.5), (1.5, 7.5), (1.0, 1.0)):
        config = SamplingConfig(
            size_px=SIZE_PX,
            num_steps=1,
            precision="fp32",
            image_guidance=image_guidance,
            text_guidance=text_guidance,
        )
        editor.edit(drawn_pictures(1), ["take cup"], [0], config)
    handle.remove()
    assert counts == [2, 3, 1]


def test_a_picture_does_not_depend_on_its_batch(editor: Editor) -> None:
    pictures, texts, seeds = drawn_pictures(5), list(INSTRUCTIONS), [5, 6, 7, 8, 9]
    together = editor.edit(pictures, texts, seeds, QUICK, batch_size=5)
    alone = editor.edit(pictures, texts, seeds, QUICK, batch_size=1)
    order = [3, 0, 4, 1, 2]
    shuffled = editor.edit(
        pictures[order], [texts[place] for place in order], [seeds[place] for place in order], QUICK, batch_size=2
    )
    assert_same_pictures(alone, together)
    assert_same_pictures(shuffled, together[order])


@pytest.mark.parametrize(
    ("scheduler", "precision"),
    [*((name, "fp32") for name in get_args(SchedulerName) if name != "pipeline"), ("euler_ancestral", "bf16")],
)
@pytest.mark.parametrize("kind", ["hub", "kitchen"])
def test_each_scheduler_edits_as_in_diffusers_pipeline_whatever_the_batch(
    kind: str, scheduler: str, precision: str
) -> None:
    """In bf16, too, a picture is the same in any batch.

    It differs from the pipeline's fp32 picture only by rounding.
    """
    saved = DDIMScheduler(**KITCHEN_LIKE) if kind == "kitchen" else None
    pipeline = tiny_pipeline(scheduler=saved)
    config = replace(QUICK, num_steps=3, scheduler=scheduler, precision=precision, text_guidance=2.0)
    pictures, texts, seeds = drawn_pictures(3), list(INSTRUCTIONS[:3]), [3, 4, 5]
    together, alone = (Editor(pipeline).edit(pictures, texts, seeds, config, batch_size=size) for size in (3, 1))
    assert_same_pictures(together, alone)
    reference = tiny_pipeline(scheduler=make_scheduler(scheduler, pipeline.scheduler))
    expected = by_pipeline(reference, pictures[0], texts[0], seeds[0], config)
    difference = np.abs(alone[0].astype(int) - expected.astype(int)).max()
    assert difference <= (1 if precision == "fp32" else 8)


def test_text_picture_and_seed_each_change_the_edit(editor: Editor) -> None:
    pictures = drawn_pictures(2)
    edited = editor.edit(
        pictures[[0, 0, 1, 0]], ["take cup", "open the cupboard", "take cup", "take cup"], [1, 1, 1, 2], QUICK
    )
    for other in (1, 2, 3):
        assert np.abs(edited[other].astype(int) - edited[0].astype(int)).max() > 3


def test_pictures_of_any_size_come_out_square(editor: Editor) -> None:
    pictures = [drawn_pictures(1, size_px=20)[0], drawn_pictures(1, size_px=64)[0][:40]]
    edited = editor.edit(pictures, ["take cup"] * 2, [0, 1], QUICK)
    assert edited.shape == (2, SIZE_PX, SIZE_PX, 3)
    assert edited.dtype == np.uint8
    assert editor.edit([], [], [], QUICK).shape == (0, SIZE_PX, SIZE_PX, 3)


def test_wrong_counts_and_sizes_are_refused_in_words(editor: Editor) -> None:
    with pytest.raises(ValueError, match="give one of each"):
        editor.edit(drawn_pictures(2), ["take cup"], [0, 1], QUICK)
    with pytest.raises(ValueError, match="multiple of 2"):
        editor.edit(drawn_pictures(1), ["take cup"], [0], SamplingConfig(size_px=15, precision="fp32"))


def test_progress_counts_pictures(editor: Editor) -> None:
    seen: list[tuple[int, int]] = []
    config = SamplingConfig(size_px=SIZE_PX, num_steps=1, precision="fp32")
    editor.edit(
        drawn_pictures(5),
        ["take cup"] * 5,
        [0] * 5,
        config,
        batch_size=2,
        on_progress=lambda *counts: seen.append(counts),
    )
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_guidance_presets_are_the_papers_and_instructpix2pixs() -> None:
    paper, ip2p = guidance_paper(), guidance_ip2p()
    assert (paper.image_guidance, paper.text_guidance, paper.num_steps, paper.size_px) == (1.0, 7.5, 100, 512)
    assert (ip2p.image_guidance, ip2p.text_guidance) == (1.5, 7.5)
    assert {name: make() for name, make in GUIDANCES.items()} == {"paper": paper, "ip2p": ip2p}


def test_schedulers_by_name_keep_the_editors_noising() -> None:
    hub = EulerAncestralDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1
    )
    euler = make_scheduler("euler_ancestral", hub)
    euler.set_timesteps(100)
    assert euler.timesteps[[0, -1]].tolist() == [999.0, 0.0]
    ddim = make_scheduler("ddim", hub)
    assert not ddim.config["clip_sample"]
    assert torch.equal(ddim.final_alpha_cumprod, ddim.alphas_cumprod[0])
    assert not make_scheduler("ddpm", hub).config["clip_sample"]
    kitchen = DDIMScheduler(**KITCHEN_LIKE)
    assert make_scheduler("ddim", kitchen).config == kitchen.config
    assert make_scheduler("euler_ancestral", kitchen).config["prediction_type"] == "v_prediction"


def test_the_condition_is_the_unscaled_mode_and_the_target_is_scaled(editor: Editor) -> None:
    pictures = to_tensor(drawn_pictures(3))
    with torch.no_grad():
        posterior = editor.vae.encode(pictures).latent_dist
    mean, spread = editor.encode_target(pictures)
    torch.testing.assert_close(editor.encode_condition(pictures), posterior.mean)
    torch.testing.assert_close(mean, posterior.mean * 0.18215)
    torch.testing.assert_close(spread, posterior.std * 0.18215)


def test_text_is_padded_to_the_encoders_length_and_embedded_after_the_last_norm(editor: Editor) -> None:
    states = editor.encode_text(["take cup", ""])
    assert states.shape == (2, 12, 16)
    torch.testing.assert_close(states.mean(dim=-1), torch.zeros(2, 12), atol=1e-5, rtol=0)


def test_an_8_channel_start_keeps_its_input_weights_and_bias(start: Path) -> None:
    loaded, original = Editor.load(start, "cpu").unet.conv_in, tiny_unet().conv_in
    assert torch.equal(loaded.weight, original.weight)
    assert torch.equal(loaded.bias, original.bias)


def test_a_widened_text_to_image_unet_ignores_the_picture_and_keeps_its_bias(tmp_path: Path) -> None:
    tiny_pipeline(in_channels=4).save_pretrained(tmp_path)
    widened, original = Editor.load(tmp_path, "cpu").unet, tiny_unet(in_channels=4)
    assert widened.config["in_channels"] == 8
    assert torch.equal(widened.conv_in.bias, original.conv_in.bias)
    generator = torch.Generator().manual_seed(0)
    noisy, picture = torch.randn(2, 1, 4, 8, 8, generator=generator)
    text = torch.randn(1, 12, 16, generator=generator)
    with torch.no_grad():
        expected = original(noisy, 500, text).sample
        actual = widened(torch.cat([noisy, 100 * picture], dim=1), 500, text).sample
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


def test_a_unet_of_another_width_is_refused() -> None:
    with pytest.raises(ValueError, match="takes 5 channels"):
        widen_input(tiny_unet(in_channels=5), num_latent_channels=4)


def test_a_saved_editor_loads_unchanged_and_names_no_place(start: Path, tmp_path: Path) -> None:
    editor = Editor.load(start, "cpu")
    editor.save(tmp_path / "once")
    Editor.load(tmp_path / "once", "cpu").save(tmp_path / "twice")
    first, second = ((tmp_path / name) for name in ("once", "twice"))
    names = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert names == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes(), name
        if name.suffix == ".json":
            assert str(start) not in (first / name).read_text()
            assert str(tmp_path) not in (first / name).read_text()
    pipeline = StableDiffusionInstructPix2PixPipeline.from_pretrained(first)
    for name, weight in pipeline.unet.state_dict().items():
        assert torch.equal(weight, editor.unet.state_dict()[name]), name


def test_weights_that_could_run_code_are_not_loaded(start: Path, tmp_path: Path) -> None:
    pipeline = tiny_pipeline()
    pipeline.save_pretrained(tmp_path / "pickled", safe_serialization=False)
    with pytest.raises(ValueError, match="safetensors"):
        Editor.load(tmp_path / "pickled", "cpu")


@pytest.mark.parametrize("part", [["os", "system"], ["my_models", "Vae"]])
def test_parts_of_other_libraries_are_refused(part: list[str], tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "X", "vae": part}))
    with pytest.raises(ValueError, match="not loaded"):
        Editor.load(tmp_path, "cpu")


def test_a_start_that_is_not_there_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: no pipeline could be loaded"):
        Editor.load(tmp_path / "empty", "cpu")


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile wants a C++ compiler on a CPU")
def test_a_compiled_editor_makes_the_same_edits() -> None:
    pipelines = tiny_pipeline(), tiny_pipeline()
    for pipeline in pipelines:
        pipeline.unet = tiny_unet(attention_in_the_middle_alone=True)
    plain, compiled = map(Editor, pipelines)
    compiled.compile()
    for count in (2, 3):  # another batch size makes torch compile once more
        arguments = (drawn_pictures(count), list(INSTRUCTIONS[:count]), list(range(count)), QUICK)
        assert_same_pictures(compiled.edit(*arguments), plain.edit(*arguments))


def test_editors_loaded_at_the_same_time_all_have_their_weights(start: Path) -> None:
    """While the libraries load, they replace parts of torch for all threads."""
    expected = {name: weight.clone() for name, weight in Editor.load(start, "cpu").unet.state_dict().items()}
    with ThreadPoolExecutor(4) as pool:
        for loaded in pool.map(lambda _: Editor.load(start, "cpu"), range(16)):
            weights = loaded.unet.state_dict()
            assert all(torch.equal(weights[name], weight) for name, weight in expected.items())
