"""Any diffusers pipeline is an editor by the name of its class; every other name is refused."""

import json
import re
from dataclasses import replace

import diffusers
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from flows.commands.edit import edit, how_to_edit
from flows.wiring.checks import problems_of
from flows.wiring.job import make_job
from flows.wiring.main_job import other_editor
from flows.wiring.making import plan
from flows.wiring.presets import preset
from flows.wiring.request import Request
from flows.wiring.settings import with_settings
from modeling.data.images import encode_png
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.load import load_system
from modeling.editors.pipeline import check_pipeline, pipeline_class
from modeling.editors.settings import PipelineConfig
from modeling.measuring.timing import Protocol, seconds_per_picture
from tasks.artifacts.artifact import Outside
from tasks.config import MethodEditsConfig, PipelineEditorConfig, ShardsConfig, SplitsConfig
from tasks.edits import edits
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames
from tests.support.tiny_kontext import ARGUMENTS, SIZE_PX, save_tiny_kontext
from tests.support.tiny_pipeline import drawn_pictures, tiny_pipeline

KONTEXT = {"class": "FluxKontextPipeline", "start": "nobody/kontext", "arguments": {"guidance_scale": 2.5}}
CONFIG = PipelineConfig(size_px=SIZE_PX, options=ARGUMENTS)


@pytest.fixture(scope="module")
def kontext(tmp_path_factory):
    return save_tiny_kontext(tmp_path_factory.mktemp("kontext"))


def test_flux_kontext_edits_by_its_class_alone_and_an_edit_depends_on_its_own_seed(kontext):
    system = load_system("FluxKontextPipeline", kontext, "cpu")
    pictures = drawn_pictures(2)
    edited = system.edit(pictures, ["take cup", "open the cupboard"], [1, 2], CONFIG)
    assert edited.shape == (2, SIZE_PX, SIZE_PX, 3)
    assert np.array_equal(edited[1:], system.edit(pictures[1:], ["open the cupboard"], [2], CONFIG))
    assert not np.array_equal(edited[0], system.edit(pictures[:1], ["take cup"], [3], CONFIG)[0])
    timed = seconds_per_picture(system, list(pictures), ["take cup"] * 2, CONFIG, Protocol(num_warm_up=0, num_calls=1))
    assert timed["passes_per_picture"] == ARGUMENTS["num_inference_steps"], "counted at its transformer"


def test_the_edits_stage_makes_its_pictures_and_says_which_class_made_them(tmp_path, kontext):
    frames = draw_frames(tmp_path, num_pairs=8)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=2), frames=frames.path)
    sharded = shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)
    Editor(tiny_pipeline()).save(tmp_path / "ip2p")
    for name, folder, options in (
        ("FluxKontextPipeline", kontext, ARGUMENTS),
        ("StableDiffusionInstructPix2PixPipeline", tmp_path / "ip2p", {"num_inference_steps": 1}),
    ):
        settings = PipelineConfig(size_px=SIZE_PX, options=options)
        config = MethodEditsConfig(method=name, settings=settings, seeds=(0, 1))
        start = Outside(location=str(folder), digest=name)
        artifact = edits.run(tmp_path, name.lower(), config, editor=start, shards=sharded.path)
        assert artifact.manifest["counts"]["kept"] == 4
        assert artifact.manifest["config"]["method"] == name


@pytest.mark.parametrize(
    "name",
    ["os.system", "modeling.train", "../FluxKontextPipeline", "DiffusionPipeline", "AutoencoderKL", "NoSuchPipeline"],
)
def test_only_bare_names_of_pipelines_that_diffusers_defines_are_classes(name):
    with pytest.raises(ValueError, match="pipeline class"):
        pipeline_class(name)


def test_a_class_that_somebody_put_into_diffusers_is_none_of_its_own(monkeypatch):
    class ForeignPipeline(diffusers.FluxKontextPipeline):
        pass

    monkeypatch.setattr(diffusers, "ForeignPipeline", ForeignPipeline, raising=False)
    with pytest.raises(ValueError, match="has no pipeline class 'ForeignPipeline'"):
        pipeline_class("ForeignPipeline")


def test_an_argument_that_the_call_does_not_take_is_refused_before_anything_is_loaded():
    with pytest.raises(ValueError, match="FluxKontextPipeline takes no image_guidance"):
        check_pipeline("FluxKontextPipeline", {"guidance_scale": 2, "image_guidance": 1})


def test_settings_name_an_editor_whole_and_then_single_parts_of_it():
    given = {"editors.kontext": KONTEXT, "editors.kontext.arguments": {"guidance_scale": 4.0}}
    named = with_settings(preset("demo"), given).editors
    assert named == {
        "kontext": PipelineEditorConfig(
            class_name="FluxKontextPipeline", start="nobody/kontext", arguments={"guidance_scale": 4.0}
        )
    }


def test_a_run_wires_it_beside_the_trained_editors_and_checks_it_before_any_work(tmp_path, kontext):
    given = {"editors.kontext": KONTEXT | {"start": str(kontext), "arguments": ARGUMENTS}}
    request = Request(preset="demo", workspace=str(tmp_path), settings=given, editors=("kontext", "masactrl"))
    job = make_job(request)
    steps = plan(job)
    assert {"demo-kontext", "demo-masactrl"} <= {step.label for step in steps if step.stage == "edits"}
    assert other_editor(job, "kontext")[0] == MethodEditsConfig(
        method="FluxKontextPipeline", settings=PipelineConfig(size_px=96, options=ARGUMENTS), seeds=(0,)
    )
    given["editors.kontext"] |= {"arguments": {"strength": 1}}
    wrong = make_job(replace(request, settings=given))
    assert "takes no strength" in " ".join(problem.message for problem in problems_of(wrong, steps))


@pytest.mark.parametrize(
    ("name", "message"), [("kontekst", 'set editors.kontekst={"class"'), ("masactrl", "the name 'masactrl' is taken")]
)
def test_names_that_nobody_gave_or_that_are_taken_are_refused(tmp_path, name, message):
    settings = {"editors.masactrl": KONTEXT} if "taken" in message else {}
    with pytest.raises(ValueError, match=re.escape(message)):
        make_job(Request(preset="demo", workspace=str(tmp_path), settings=settings, editors=(name,)))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"editors.kontext": KONTEXT | {"class": "os.system"}}, "no pipeline class of diffusers"),
        ({"editors.kontext": {"start": "a/b"}}, "lacks 'class'"),
        ({"editors.kontext": KONTEXT | {"strat": 1}}, "has no 'strat'; there are arguments, class"),
        ({"editors.kontext": KONTEXT | {"arguments": {"image": "x.png"}}}, "image is given by the run itself"),
        ({"editors.kontext": KONTEXT | {"precision": "int8"}}, "one of fp32, bf16, fp16"),
        ({"editors.kontext": "FluxKontextPipeline"}, "must be an object"),
        ({"editors.Kontext!": KONTEXT}, "is no name"),
        ({"editors.kontext.start": "a/b"}, "give it whole"),
    ],
)
def test_settings_that_name_no_editor_are_refused_in_words(given, message):
    with pytest.raises(ValueError, match=message):
        with_settings(preset("demo"), given)


def test_edit_by_a_name_that_settings_give_needs_no_editor(tmp_path, kontext):
    image = tmp_path / "in.png"
    image.write_bytes(encode_png(drawn_pictures(1)[0]))
    given = {"class": "FluxKontextPipeline", "start": str(kontext), "arguments": ARGUMENTS, "size_px": SIZE_PX}
    out = str(tmp_path / "out.png")
    arguments = ["--method", "kontext", "--set", f"editors.kontext={json.dumps(given)}", "--image", str(image)]
    ran = CliRunner().invoke(edit, [*arguments, "--instruction", "take cup", "--out", out], catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    assert (tmp_path / "out.png").is_file()


@pytest.mark.parametrize(
    ("editor", "options", "message"),
    [
        (None, {"method": "kontext"}, "name its weights with --editor"),
        (None, {"method": None}, "--editor is missing"),
        ("a/b", {"method": "kontext"}, "no pipeline class of diffusers"),
        ("a/b", {"method": "FluxKontextPipeline", "text_guidance": 2.0}, "--text-guidance does not go with"),
        ("a/b", {"method": None, "settings": ("editor.num_steps=3",)}, "settings of editors.NAME alone"),
    ],
)
def test_edits_that_cannot_be_made_are_refused_in_words(editor, options, message):
    names = ("guidance", "image_guidance", "text_guidance", "scheduler", "fast", "prompt_policy", "compile", "steps")
    with pytest.raises(ValueError, match=message):
        how_to_edit(editor, dict.fromkeys((*names, "precision")) | {"settings": ()} | options)


@pytest.mark.parametrize(
    ("name", "in_channels", "message"),
    [
        ("StableDiffusionInstructPix2PixPipeline", 4, "is text-to-image: its U-Net takes no picture"),
        ("StableDiffusionXLInstructPix2PixPipeline", 8, "lacks text_encoder_2, tokenizer_2"),
        ("FluxKontextPipeline", 8, "lacks text_encoder_2, tokenizer_2, transformer"),
        ("StableDiffusionInpaintPipeline", 4, "wants a mask"),
    ],
)
def test_a_folder_of_another_kind_is_refused_before_any_work_and_before_it_is_loaded(
    tmp_path, kontext, name, in_channels, message
):
    folder = tmp_path / "other"
    tiny_pipeline(in_channels=in_channels).save_pretrained(folder)
    with pytest.raises(ValueError, match=message):
        load_system(name, folder, "cpu")
    settings = {"editors.other": {"class": name, "start": str(folder)}}
    job = make_job(Request(preset="demo", editors=("other",), settings=settings, workspace=str(tmp_path / "w")))
    (problem,) = problems_of(job, plan(job))
    assert message in problem.message
    assert "editors.other" in problem.message


def save_image_to_image(folder, *, is_grey=False):
    parts = tiny_pipeline(in_channels=4)
    if is_grey:
        with torch.no_grad():
            parts.vae.decoder.conv_out.weight.zero_()
            parts.vae.decoder.conv_out.bias.zero_()
    diffusers.StableDiffusionImg2ImgPipeline(
        vae=parts.vae, text_encoder=parts.text_encoder, tokenizer=parts.tokenizer, unet=parts.unet,
        scheduler=parts.scheduler, safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    return load_system("StableDiffusionImg2ImgPipeline", folder, "cpu")


def test_a_picture_of_one_colour_is_no_edit_and_an_argument_that_does_not_fit_is_named(tmp_path):
    settings = PipelineConfig(size_px=SIZE_PX, options={"num_inference_steps": 4, "strength": 0.6})
    sound = save_image_to_image(tmp_path / "sound")
    assert np.ptp(sound.edit(drawn_pictures(1), ["take cup"], [0], settings)) > 0
    with pytest.raises(ValueError, match=r"these weights and arguments \(ValueError: The value of strength"):
        sound.edit(drawn_pictures(1), ["take cup"], [0], replace(settings, options={"strength": 7}))
    with pytest.raises(ValueError, match="gave a picture of one colour for 'take cup'"):
        save_image_to_image(tmp_path / "grey", is_grey=True).edit(drawn_pictures(1), ["take cup"], [0], settings)


def test_what_a_pipeline_raises_for_weights_that_do_not_fit_is_one_line(tmp_path):
    tiny_pipeline(in_channels=8).save_pretrained(tmp_path / "eight")
    system = load_system("StableDiffusionImg2ImgPipeline", tmp_path / "eight", "cpu")
    with pytest.raises(ValueError, match=r"cannot edit with these weights \(RuntimeError: [^\n]*channels"):
        system.edit(drawn_pictures(1), ["take cup"], [0], PipelineConfig(size_px=SIZE_PX, num_steps=2))
