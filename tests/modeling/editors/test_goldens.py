"""Each method equals its authors' own code: every golden found, within its tolerance, all settings out of its JSON.

A golden says nothing when a broken method passes too. So each method is also run broken on purpose, and the result must
leave the tolerance. Which breakage is caught where:

All five: guidance 1 % larger.
MasaCtrl, Prox-MasaCtrl: control a step later or earlier, a layer later or earlier, never; another final alpha-bar; the
other choice for the source row.
Prox-MasaCtrl: interpolation 0; NPI off; another threshold; thresholding a step later, hard, as the code's l1, or not at
all; keys and values joint for src.
Plug-and-Play: features or attention a step longer or shorter, a layer left out, another residual, no injection at all;
latents of the neighbouring step; another negative text.
DDPM Noise Space: start a step later; maps shifted by a step; eta 5 % smaller; steps_offset 0; source text left out;
source guidance 1 % larger.
Imagic: a step fewer in either stage; no tuning of the U-Net; alpha swapped; a rate 1 % larger; the other loss scale.

Each is caught by `test_a_broken_METHOD_leaves_the_tolerance`.

A breakage that a golden's own table (`sensitivity_in_tolerances`) says it cannot see is not asked of that golden. The
long goldens (50 steps and more) are run for exactness alone. Where specification and golden disagree the golden wins.
"""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.modeling.editors import golden_runs as runs
from tests.support.goldens import FOLDER, golden, goldens_of, named

METHODS = ("MasaCtrl", "Prox", "DDPM", "Plug", "Imagic")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no goldens in {FOLDER}; EDITACTION_GOLDENS names them")
LONG_STEPS = 40


def every(method: str) -> pytest.MarkDecorator:
    """All goldens; those with long runs are slow tests."""
    marked = [
        pytest.param(path, id=named(path), marks=[pytest.mark.slow] * is_long(path)) for path in goldens_of(method)
    ]
    return pytest.mark.parametrize("path", marked)


def is_long(path: Path) -> bool:
    known = golden(path)
    return max(len(known.facts["timesteps"]), known.settings.get("inv_steps", 0)) >= LONG_STEPS


def short(method: str) -> pytest.MarkDecorator:
    paths = [path for path in goldens_of(method) if len(golden(path).facts["timesteps"]) < LONG_STEPS]
    return pytest.mark.parametrize("path", paths, ids=named)


def test_there_are_goldens_of_every_method() -> None:
    assert all(goldens_of(method) for method in METHODS)


@every("MasaCtrl")
def test_masactrl_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    assert known.error(runs.run_masactrl(known, runs.masactrl_config(known))) <= 1


@short("MasaCtrl")
def test_a_broken_masactrl_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.masactrl_config(known)
    broken = {
        "one step later": replace(right, start_step=right.start_step + 1),
        "one step earlier": replace(right, start_step=right.start_step - 1),
        "one layer later": replace(right, start_layer=right.start_layer + 1),
        "one layer earlier": replace(right, start_layer=right.start_layer - 1),
        "no control at all": replace(right, start_step=right.num_steps),
        "guidance 1% larger": replace(right, text_guidance=1.01 * right.text_guidance),
        "final alpha 1 instead of alpha_bar(0)": replace(right, final_alpha="one"),
        "the other choice for the source row": replace(right, reset_source=not right.reset_source),
    }
    assert not [name for name, config in broken.items() if known.error(runs.run_masactrl(known, config)) <= 1]


@every("Prox")
def test_prox_masactrl_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    assert known.error(runs.run_prox(known, runs.prox_config(known))) <= 1


@pytest.mark.slow
@short("Prox")
def test_a_broken_prox_masactrl_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.prox_config(known)
    other = "joint" if right.inject_uncond == "src" else "src"
    broken = {
        "one step later": replace(right, start_step=right.start_step + 1),
        "one layer later": replace(right, start_layer=right.start_layer + 1),
        "guidance 1% larger": replace(right, text_guidance=1.01 * right.text_guidance),
        "joint for src": replace(right, inject_uncond=other),
    }
    if right.npi:
        broken["npi off"] = replace(right, npi=False, npi_interp=0.0)
        broken["interp 0"] = replace(right, npi_interp=0.0)
    else:
        broken["source guided too"] = replace(right, source_guidance=right.text_guidance)
    if right.prox != "none":
        shift = 0.02 if right.quantile > 0 else 0.1 * right.quantile
        broken["no threshold"] = replace(right, prox="none")
        broken["threshold"] = replace(right, quantile=right.quantile + shift)
        broken["prox step"] = replace(right, prox_step=right.prox_step + 1)
        broken["hard"] = replace(right, prox="hard")
        broken["the code's l1"] = replace(right, prox="code_l1")
    if right.npi and right.npi_interp == 1.0 and right.prox == "none":
        broken.pop("npi off")  # then NPI changes the source row's own passes alone, which rounding may hide
    assert not [name for name, config in broken.items() if known.error(runs.run_prox(known, config)) <= 1]


@every("DDPM")
def test_ddpm_noise_space_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    assert known.error(runs.run_noise_space(known, runs.noise_space_config(known))) <= 1


@short("DDPM")
def test_a_broken_ddpm_noise_space_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.noise_space_config(known)
    errors = {
        "guidance": known.error(runs.run_noise_space(known, replace(right, text_guidance=1.01 * right.text_guidance))),
        "start": known.error(runs.run_noise_space(known, replace(right, skip=right.skip + 1))),
        "shift": known.error(runs.run_noise_space(known, right, shift=1)),
        "eta": known.error(runs.run_noise_space(known, replace(right, eta=0.95 * right.eta))),
        "offset": known.error(runs.run_noise_space(known, replace(right, steps_offset=0))),
    }
    if golden(path).settings["source"]:
        errors["source"] = known.error(runs.run_noise_space(known, right, source="empty"))
        changed = replace(right, source_guidance=1.01 * right.source_guidance)
        errors["source guidance"] = known.error(runs.run_noise_space(known, changed))
    assert not [name for name, error in errors.items() if error <= 1]


@every("Plug")
def test_plug_and_play_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    assert known.error(runs.run_plug_and_play(known, runs.plug_and_play_config(known))) <= 1


@pytest.mark.slow
@short("Plug")
def test_a_broken_plug_and_play_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.plug_and_play_config(known)
    step = 1 / right.num_steps
    if right.inversion_steps > LONG_STEPS:
        pytest.skip("inverting in 999 steps for every breakage takes a minute; the short goldens see the same ones")
    configs = {
        "features longer": replace(right, feature_share=right.feature_share + step),
        "features shorter": replace(right, feature_share=right.feature_share - step),
        "attention longer": replace(right, attention_share=right.attention_share + step),
        "attention shorter": replace(right, attention_share=right.attention_share - step),
        "layer": replace(right, start_layer=right.start_layer + 1),
        "another feature": replace(right, feature_resnet=right.feature_resnet - 1),
        "guidance": replace(right, text_guidance=1.01 * right.text_guidance),
        "nothing": replace(right, feature_share=0.0, attention_share=0.0),
    }
    errors = {name: known.error(runs.run_plug_and_play(known, config)) for name, config in configs.items()}
    errors["latents"] = known.error(runs.run_plug_and_play(known, right, shift=1))
    errors["negative"] = known.error(runs.run_plug_and_play(known, right, negative="empty"))
    assert not [name for name, error in errors.items() if error <= 1]


@every("Imagic")
def test_imagic_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    edited, found = runs.run_imagic(known, runs.imagic_config(known))
    assert known.error(edited) <= 1
    for name in ("emb_optimised", "train_losses", "probe_after"):
        assert (found[name] - known.tensors[name]).abs().max() <= 1e-4, name
    assert found["after"]
    for name, value in found["after"].items():
        assert (value - known.tensors[f"after.{name}"]).abs().max() <= 1e-5, name


@pytest.mark.slow
@every("Imagic")
def test_a_broken_imagic_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.imagic_config(known)
    broken = {
        "one embedding step fewer": replace(right, embedding_steps=right.embedding_steps - 1),
        "one U-Net step fewer": replace(right, unet_steps=right.unet_steps - 1),
        "no U-Net tuning": replace(right, unet_steps=0),
        "embedding rate 1% larger": replace(right, embedding_rate=1.01 * right.embedding_rate),
        "U-Net rate 1% larger": replace(right, unet_rate=1.01 * right.unet_rate),
        "alpha swapped (1 - alpha)": replace(right, alpha=1 - right.alpha),
        "loss scale 65536 <-> 1 (Adam's epsilon)": replace(right, loss_scale=1.0 if right.loss_scale > 1 else 65536.0),
        "guidance 1% larger": replace(right, text_guidance=1.01 * right.text_guidance),
    }
    seen = known.facts["sensitivity_in_tolerances"]
    broken = {name: config for name, config in broken.items() if seen.get(name, 0) > 1.5}
    assert broken
    assert not [name for name, config in broken.items() if known.error(runs.run_imagic(known, config)[0]) <= 1]
