"""Cost of a 512 px picture for each compared system, at next to no width -> `method_costs.json`.

    python -m benchmarks.method_costs              # each system in a process of its own, on one thread
    python -m benchmarks.method_costs --one imagic # one system alone, printed

A U-Net with all of Stable Diffusion's layers and a twentieth of its widths, random weights, pictures of 512 px. Seconds
and memory of such a network say nothing about Stable Diffusion. Two things carry over: how many U-Net rows a picture
takes, and what a method adds to a row. So each system's seconds a row stand beside those of diffusers' own
StableDiffusionPipeline with the same U-Net in the same run. Steps are a fifth of the papers', Imagic's training steps a
fiftieth; `rows_at_papers_settings` and `training_rows_at_papers_settings` have the papers' own numbers.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.editing import drawn_pictures
from benchmarks.editors import SIZES, make_pipeline, make_text_to_image
from benchmarks.measuring import machine_of, timed
from benchmarks.recording import record
from modeling.editors.instruct_pix2pix import Editor
from modeling.editors.load import METHODS
from modeling.editors.settings import METHOD_CONFIGS, ImagicConfig, MethodConfig, NoiseSpaceConfig, PlugAndPlayConfig
from modeling.editors.text_to_image import TextToImage
from modeling.editors.unet_rows import unet_rows
from modeling.presets import guidance_paper

QUESTION = "What does a 512 px picture cost each compared system: U-Net rows, seconds a row, memory?"
PLAIN, EDITOR = "diffusers", "instruct_pix2pix"
SYSTEMS = (PLAIN, EDITOR, *METHODS)
PAPERS_STEPS = {PLAIN: 50, EDITOR: 100}
"""Sampling steps of the two that are no method; each step has two rows."""
SHARE, TRAINING_SHARE = 5, 50
"""The papers' sampling and training steps are divided by these."""
TEXT = "take the cup from the plate"


def shorter(config: MethodConfig, *, trains: bool = True) -> MethodConfig:
    """Return a method's settings with fewer steps; without training steps where it shall not train."""
    changes: dict[str, Any] = {"num_steps": config.num_steps // SHARE}
    if isinstance(config, NoiseSpaceConfig):
        changes |= {"skip": config.skip // SHARE}
    if isinstance(config, PlugAndPlayConfig):
        changes |= {"inversion_steps": config.num_steps // SHARE}
    if isinstance(config, ImagicConfig):
        steps = (config.embedding_steps, config.unet_steps)
        changes |= dict(
            zip(("embedding_steps", "unet_steps"), [trains * number // TRAINING_SHARE for number in steps], strict=True)
        )
    return replace(config, **changes)


def edit_of(
    name: str, sizes: str, size_px: int, *, trains: bool = True
) -> tuple[torch.nn.Module, Callable[[], object]]:
    """Return a system's U-Net, and a function that makes one picture with it."""
    picture = drawn_pictures(1, size_px)
    if name == PLAIN:
        pipeline, steps = make_text_to_image(sizes), PAPERS_STEPS[PLAIN] // SHARE
        return pipeline.unet, lambda: pipeline(TEXT, height=size_px, width=size_px, num_inference_steps=steps)
    if name == EDITOR:
        editor, steps = Editor(make_pipeline(sizes), "cpu"), PAPERS_STEPS[EDITOR] // SHARE
        sampling = replace(guidance_paper(), size_px=size_px, num_steps=steps, precision="fp32")
        return editor.unet, lambda: editor.edit(picture, [TEXT], [0], sampling)
    method = METHODS[name](TextToImage(make_text_to_image(sizes), "cpu"))
    config = shorter(METHOD_CONFIGS[name](size_px=size_px), trains=trains)
    return method.model.unet, lambda: method.edit(picture, [TEXT], [0], config)


def measure(name: str, sizes: str, size_px: int) -> dict[str, float]:
    """Make one picture with a system, after one that shows the peak of memory; return what it took."""
    torch.set_num_threads(1)
    device, rows = torch.device("cpu"), {True: 0, False: 0}
    unet, work = edit_of(name, sizes, size_px)
    loaded = memory_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    work()
    costs = {"peak_mib_above_model": memory_mib("VmHWM") - loaded} | rows_at_papers_settings(name)

    def count(_module: object, inputs: tuple[torch.Tensor, ...]) -> None:
        rows[torch.is_grad_enabled()] += len(inputs[0])

    unet.register_forward_pre_hook(count)
    seconds = timed(work, device).used
    costs |= {"seconds": seconds, "rows": rows[False], "seconds_per_row": seconds / rows[False]}
    if rows[True]:
        drawing_s = timed(edit_of(name, sizes, size_px, trains=False)[1], device).used
        costs |= {"seconds_per_row": drawing_s / rows[False], "training_rows": rows[True]}
        costs |= {"seconds_per_training_row": (seconds - drawing_s) / rows[True]}
    return costs


def memory_mib(name: str) -> float:
    """Return VmRSS, the memory of this process, or VmHWM, its peak."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{name}:"))


def rows_at_papers_settings(name: str) -> dict[str, float]:
    """Return the rows of one picture at the paper's settings, apart by training."""
    rows, training = (2 * PAPERS_STEPS[name], 0) if name in PAPERS_STEPS else unet_rows(METHOD_CONFIGS[name]())
    return {"rows_at_papers_settings": rows, "training_rows_at_papers_settings": training}


def measured_apart(name: str, given: argparse.Namespace) -> dict[str, float]:
    """Measure a system in a fresh process, whose memory nothing else has used."""
    command = [sys.executable, "-m", "benchmarks.method_costs", "--one", name]
    command += ["--sizes", given.sizes, "--size-px", str(given.size_px)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    print(name, done.stdout.strip(), flush=True)
    measures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measures


def main() -> None:
    """Measure one system and print it, or all of them and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", choices=SYSTEMS)
    parser.add_argument("--sizes", choices=list(SIZES), default="twentieth")
    parser.add_argument("--size-px", type=int, default=512)
    given = parser.parse_args()
    if given.one:
        print(
            json.dumps({key: round(value, 4) for key, value in measure(given.one, given.sizes, given.size_px).items()})
        )
        return
    systems = {name: measured_apart(name, given) for name in SYSTEMS}
    plain_s = systems[PLAIN]["seconds_per_row"]
    measures = {f"{name}.{key}": value for name, of_system in systems.items() for key, value in of_system.items()}
    measures |= {
        f"{name}.row_over_diffusers": round(of_system["seconds_per_row"] / plain_s, 3)
        for name, of_system in systems.items()
    }
    record(
        "method_costs",
        QUESTION,
        measures,
        alternative="StableDiffusionPipeline of diffusers with the same U-Net, guidance on",
        seconds="CPU seconds of one thread; encoding, decoding and text are part of a picture's seconds",
        setting={"sizes": given.sizes, **vars(SIZES[given.sizes]), "size_px": given.size_px}
        | {"steps_divided_by": SHARE, "training_steps_divided_by": TRAINING_SHARE}
        | machine_of(torch.device("cpu")),
    )


if __name__ == "__main__":
    main()
