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
DDPM Noise Space: start a step later; maps shifted by a step, or zero; eta 5 % smaller on the way back; steps_offset 0;
another final alpha-bar; source text left out; source guidance 1 % larger.
Imagic: a step fewer in either stage; no tuning of the U-Net; alpha swapped; a rate 1 % larger; the other loss scale.

Each is caught by `test_a_broken_METHOD_leaves_the_tolerance`.

A golden is asked for a breakage where its own table (`sensitivity_in_tolerances`) says that it sees it, or one that
stands for it: other goldens have other knobs, and a network on which a fault may hide. The long goldens (50 steps and
more) are run for exactness alone. Where specification and golden disagree the golden wins.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from tests.modeling.editors import golden_runs as runs
from tests.support.goldens import FOLDER, Golden, golden, goldens_of, named

METHODS = ("MasaCtrl", "Prox", "DDPM", "Plug", "Imagic")
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no goldens in {FOLDER}; EDITACTION_GOLDENS names them")
LONG_STEPS = 40
SEEN = 1.5
"""A breakage that moves the reference's result by this many tolerances is seen on any machine."""


def every(method: str) -> pytest.MarkDecorator:
    """Mark a test to run on all goldens of a method; those with long runs are slow tests."""
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


def unseen(known: Golden, breakages: Mapping[tuple[str, str], Callable[[], float]]) -> list[str]:
    """Return the breakages that a golden does not see, although its table says that it sees them.

    `breakages`: (name, name in the golden's table) -> the broken run's error in tolerances.
    """
    table = known.facts["sensitivity_in_tolerances"]
    asked = {name: run for (name, listed), run in breakages.items() if table.get(listed, 0) > SEEN}
    assert asked, f"{known.path}: its table names no breakage of this test"
    return [name for name, run in asked.items() if run() <= 1]


def test_there_are_goldens_of_every_method() -> None:
    assert all(goldens_of(method) for method in METHODS)


def test_a_golden_with_a_setting_that_no_run_reads_is_no_silent_pass() -> None:
    known = golden(goldens_of("MasaCtrl")[0])
    stranger = replace(known, facts=known.facts | {"settings": known.settings | {"mask": "auto"}})
    with pytest.raises(AssertionError, match=r"does not know the settings \['mask'\]"):
        runs.masactrl_config(stranger)


@every("MasaCtrl")
def test_masactrl_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    edited, reconstruction = runs.run_masactrl(known, runs.masactrl_config(known))
    assert known.error(edited) <= 1
    assert (reconstruction - known.tensors["reconstruction"]).abs().max() <= known.tolerance_of("reconstruction")


@short("MasaCtrl")
def test_a_broken_masactrl_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.masactrl_config(known)
    other = "the other choice for the source row (regenerated against reset to the inversion)"
    changes = {
        "one step later": {"start_step": right.start_step + 1},
        "one step earlier": {"start_step": right.start_step - 1},
        "one layer later": {"start_layer": right.start_layer + 1},
        "one layer earlier": {"start_layer": right.start_layer - 1},
        "no control at all": {"start_step": right.num_steps},
        "guidance 1% larger": {"text_guidance": 1.01 * right.text_guidance},
        "final alpha 1 instead of alpha_bar(0)": {"final_alpha": "one"},
        other: {"reset_source": not right.reset_source},
    }

    def run(change: dict) -> Callable[[], float]:
        return lambda: known.error(runs.run_masactrl(known, replace(right, **change))[0])

    assert not unseen(known, {(name, name): run(change) for name, change in changes.items()})


@every("Prox")
def test_prox_masactrl_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    edited, reconstruction = runs.run_prox(known, runs.prox_config(known))
    assert known.error(edited) <= 1
    assert (reconstruction - known.tensors["reconstruction"]).abs().max() <= known.tolerance_of("reconstruction")


@pytest.mark.slow
@short("Prox")
def test_a_broken_prox_masactrl_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.prox_config(known)
    other = "joint" if right.inject_uncond == "src" else "src"
    shift = 0.02 if right.quantile > 0 else 0.1 * right.quantile
    branch, interp = "the other threshold branch (l0 <-> l1)", "unconditional rows not interpolated (interp 0)"
    changes = {
        ("one step later", "control one step later"): {"start_step": right.start_step + 1},
        ("one layer later", "control one layer later"): {"start_layer": right.start_layer + 1},
        ("guidance", "guidance 1% larger"): {"text_guidance": 1.01 * right.text_guidance},
        ("joint for src", "keys/values of the unconditional half: joint <-> src"): {"inject_uncond": other},
        ("interp 0", interp): {"npi_interp": 0.0},
        ("npi off", interp if right.prox != "none" else ""): {"npi": False, "npi_interp": 0.0},
        ("source guided too", "source row guided with 7.5 instead of 1"): {"source_guidance": right.text_guidance},
        ("threshold", "threshold quantile +0.02 (or fixed threshold +10%)"): {"quantile": right.quantile + shift},
        ("prox step", "proximal step starts one step later"): {"prox_step": right.prox_step + 1},
        ("no threshold", branch): {"prox": "none"},
        ("no proximal step", "without proximal step"): {"prox": "none"},
        ("hard", branch): {"prox": "hard"},
        ("the code's other branch", branch): {"prox": "code_l1" if right.prox == "code_l0" else "code_l0"},
    }

    def run(change: dict) -> Callable[[], float]:
        return lambda: known.error(runs.run_prox(known, replace(right, **change))[0])

    assert not unseen(known, {names: run(change) for names, change in changes.items()})


@every("DDPM")
def test_ddpm_noise_space_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    assert known.error(runs.run_noise_space(known, runs.noise_space_config(known))) <= 1


@short("DDPM")
def test_a_broken_ddpm_noise_space_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.noise_space_config(known)

    def run(change: dict | None = None, **more: object) -> Callable[[], float]:
        return lambda: known.error(runs.run_noise_space(known, replace(right, **(change or {})), **more))

    breakages = {
        "target guidance 1% larger": run({"text_guidance": 1.01 * right.text_guidance}),
        "start latent one index later": run({"skip": right.skip + 1}),
        "noise maps shifted by one step": run(shift=1),
        "noise maps zero": run(maps="zero"),
        "eta 5% smaller when going back": run(back={"eta": 0.95 * right.eta}),
        "final alpha 1": run({"final_alpha": "one"}),
        "steps_offset 0 instead of 1": run({"steps_offset": 0}),
        "source guidance 1% larger": run({"source_guidance": 1.01 * right.source_guidance}),
    }
    if known.settings["source"]:
        breakages["source prompt empty instead of given (or the reverse)"] = run(source="empty")
    assert not unseen(known, {(name, name): breakage for name, breakage in breakages.items()})


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
    changes = {
        ("features longer", "feature injection one step longer"): {"feature_share": right.feature_share + step},
        ("features shorter", "feature injection one step shorter"): {"feature_share": right.feature_share - step},
        ("attention longer", "attention injection one step longer"): {"attention_share": right.attention_share + step},
        ("attention shorter", "attention injection one step shorter"): {
            "attention_share": right.attention_share - step
        },
        ("layer", "first injected attention layer left out"): {"start_layer": right.start_layer + 1},
        ("another feature", "no injection"): {"feature_resnet": right.feature_resnet - 1},
        ("guidance", "guidance 1% larger"): {"text_guidance": 1.01 * right.text_guidance},
        ("nothing", "no injection"): {"feature_share": 0.0, "attention_share": 0.0},
    }

    def run(change: dict | None = None, **more: object) -> Callable[[], float]:
        return lambda: known.error(runs.run_plug_and_play(known, replace(right, **(change or {})), **more))

    breakages = {names: run(change) for names, change in changes.items()}
    breakages["latents", "source latents of the neighbouring step"] = run(shift=1)
    if known.settings["negative"]:
        breakages["negative", "empty negative prompt (or the reverse)"] = run(negative="empty")
    assert not unseen(known, breakages)


@every("Imagic")
def test_imagic_equals_its_authors_code(path: Path) -> None:
    known = golden(path)
    edited, of_stages = runs.run_imagic(known, runs.imagic_config(known))
    assert known.error(edited) <= 1
    assert {f"after.{name}" for name in of_stages["after"]} == {name for name in known.tensors if name[:6] == "after."}
    stages = {name: of_stages[name] for name in ("emb_optimised", "train_losses", "probe_after")}
    for name, value in (stages | {f"after.{name}": value for name, value in of_stages["after"].items()}).items():
        assert (value - known.tensors[name]).abs().max() <= known.tolerance_of(name), name


@pytest.mark.slow
@every("Imagic")
def test_a_broken_imagic_leaves_the_tolerance(path: Path) -> None:
    known = golden(path)
    right = runs.imagic_config(known)
    changes = {
        "one embedding step fewer": {"embedding_steps": right.embedding_steps - 1},
        "one U-Net step fewer": {"unet_steps": right.unet_steps - 1},
        "no U-Net tuning": {"unet_steps": 0},
        "embedding rate 1% larger": {"embedding_rate": 1.01 * right.embedding_rate},
        "U-Net rate 1% larger": {"unet_rate": 1.01 * right.unet_rate},
        "alpha 1% larger": {"alpha": 1.01 * right.alpha},
        "alpha swapped (1 - alpha)": {"alpha": 1 - right.alpha},
        "loss scale 65536 <-> 1 (Adam's epsilon)": {"loss_scale": 1.0 if right.loss_scale > 1 else 65536.0},
        "guidance 1% larger": {"text_guidance": 1.01 * right.text_guidance},
    }

    def run(change: dict) -> Callable[[], float]:
        return lambda: known.error(runs.run_imagic(known, replace(right, **change))[0])

    assert not unseen(known, {(name, name): run(change) for name, change in changes.items()})
