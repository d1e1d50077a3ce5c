"""Seconds per edit, compared with diffusers' own StableDiffusionInstructPix2PixPipeline at batch 1 in the same run.

    python -m benchmarks.editing            # CPU: every width of Stable Diffusion 1.5 a fifth, 256 px, 40 steps
    python -m benchmarks.editing --size-px 128 --steps 100 --suffix _128px    # smaller pictures, beside it in the file
    python -m benchmarks.editing --gpu      # Stable Diffusion 1.5's sizes, 512 px, 100 steps; adds *_gpu

Same random weights, pictures, instructions, seeds, sampler (euler_ancestral) and guidance (s_i = 1, s_c = 7.5, paper)
for all variants, and the edits are compared. The pipeline runs three passes a step; here it is two, since e_none has
weight 0 at s_i = 1. `speedup_two_pass_only` is one picture at a time in both, `speedup_over_pipeline` is a batch here.
On a GPU the pipeline's weights are bf16, as its users have them, and here the networks run under bf16 autocast.
"""

import argparse
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from diffusers import StableDiffusionInstructPix2PixPipeline
from PIL import Image

from benchmarks.editors import SIZES, WORDS, make_pipeline
from benchmarks.measuring import in_turns, machine_of, median_of, median_ratio
from benchmarks.recording import record
from modeling.config import SamplingConfig
from modeling.data.images import Picture
from modeling.editors.instruct_pix2pix import Editor
from modeling.presets import guidance_paper

QUESTION = "How much faster is an edit than in diffusers' own pipeline, by the pass left out alone and with batching?"


def drawn_pictures(count: int, size_px: int) -> Picture:
    """Return pictures of smooth noise: uint8 [count, size_px, size_px, 3]."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    resized = [Image.fromarray(picture).resize((size_px, size_px), Image.Resampling.BICUBIC) for picture in coarse]
    return np.stack([np.asarray(picture) for picture in resized])


def by_pipeline(
    pipeline: StableDiffusionInstructPix2PixPipeline, picture: Picture, text: str, seed: int, config: SamplingConfig
) -> Picture:
    """Edit one picture with diffusers' pipeline: uint8 [H, W, 3]."""
    edited = pipeline(
        text,
        image=Image.fromarray(picture),
        num_inference_steps=config.num_steps,
        guidance_scale=config.text_guidance,
        image_guidance_scale=config.image_guidance,
        generator=torch.Generator().manual_seed(seed),
    ).images[0]
    return np.asarray(edited)


def variants_of(
    pipeline: StableDiffusionInstructPix2PixPipeline,
    editors: dict[str, Editor],
    batch_size: int,
    config: SamplingConfig,
    made: dict[str, Picture],
) -> dict[str, Callable[[], object]]:
    """Return each variant as a function that stores its edits in `made`; one picture, or a batch."""
    pictures = drawn_pictures(batch_size, config.size_px)
    texts = [" ".join(np.random.default_rng(number).choice(WORDS, 4)) for number in range(batch_size)]
    seeds = list(range(batch_size))

    def pipeline_alone() -> None:
        made["pipeline"] = by_pipeline(pipeline, pictures[0], texts[0], seeds[0], config)[None]

    def edit(name: str, count: int) -> Callable[[], None]:
        editor = editors["compiled" if name == "compiled" else "plain"]

        def work() -> None:
            made[name] = editor.edit(pictures[:count], texts[:count], seeds[:count], config, batch_size=count)

        return work

    variants: dict[str, Callable[[], object]] = {"pipeline": pipeline_alone, "alone": edit("alone", 1)}
    variants["batched"] = edit("batched", batch_size)
    if "compiled" in editors:
        variants["compiled"] = edit("compiled", batch_size)
    return variants


def difference(first: Picture, second: Picture) -> int:
    """Return the largest difference in levels of 255."""
    return int(np.abs(first[0].astype(int) - second[0].astype(int)).max())


def measures_of(given: argparse.Namespace, device: torch.device, max_seconds: float = math.inf) -> dict[str, float]:
    """Return the measures by name; no turn begins after `max_seconds`."""
    config = replace(guidance_paper(), size_px=given.size_px, num_steps=given.steps, precision=given.precision)
    pipeline = make_pipeline(given.sizes)
    if given.gpu:
        pipeline.to(device, torch.bfloat16)
    editors = {"plain": Editor(make_pipeline(given.sizes), device)}
    if given.compile:
        editors["compiled"] = Editor(make_pipeline(given.sizes), device)
        editors["compiled"].compile()
    made: dict[str, Picture] = {}
    work = variants_of(pipeline, editors, given.batch_size, config, made)
    # Two steps find the kernels, and compile, as well as all steps would.
    warm_up = variants_of(pipeline, editors, given.batch_size, replace(config, num_steps=2), {})
    taken = in_turns(work, num_turns=given.turns, device=device, max_seconds=max_seconds, warm_up=warm_up)
    num_pictures = {"pipeline": 1, "alone": 1, "batched": given.batch_size, "compiled": given.batch_size}
    measures = {
        "speedup_over_pipeline": median_ratio(taken["pipeline"], taken["batched"], per=given.batch_size),
        "speedup_two_pass_only": median_ratio(taken["pipeline"], taken["alone"]),
        **{f"{name}_s_per_image": median_of(timings) / num_pictures[name] for name, timings in taken.items()},
        **{
            f"{name}_wall_s_per_image": median_of(timings, "wall") / num_pictures[name]
            for name, timings in taken.items()
        },
        "max_difference_to_pipeline_levels": difference(made["pipeline"], made["alone"]),
        "max_difference_batched_to_alone_levels": difference(made["batched"], made["alone"]),
    }
    if given.compile:
        measures["speedup_compiled"] = median_ratio(taken["pipeline"], taken["compiled"], per=given.batch_size)
    return measures


def measure(given: argparse.Namespace) -> None:
    """Measure and record."""
    device = torch.device("cuda" if given.gpu and torch.cuda.is_available() else "cpu")
    measures = measures_of(given, device)
    sizes = {"sizes": given.sizes, **vars(SIZES[given.sizes]), "size_px": given.size_px, "num_steps": given.steps}
    setting = {**sizes, "batch_size": given.batch_size, "turns": given.turns, "precision": given.precision}
    record(
        given.name,
        QUESTION,
        {f"{name}{given.suffix}": round(value, 4) for name, value in measures.items()},
        keep_earlier=True,
        write=device.type == "cuda" or not given.gpu,
        alternative="StableDiffusionInstructPix2PixPipeline of diffusers, one picture at a time, three passes a step",
        seconds="*_s_per_image are CPU seconds of one thread; wall-clock seconds, other load included, stand beside",
        **{f"setting{given.suffix}": setting | machine_of(device)},
    )


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="the GPU's sizes and names, on a CPU where there is none")
    parser.add_argument("--sizes", choices=list(SIZES))
    parser.add_argument("--size-px", type=int)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--compile", action="store_true", help="measure torch.compile as well")
    parser.add_argument("--suffix", default="", help="ending of the measures' names (default: _gpu with --gpu)")
    parser.add_argument("--name", default="editing", help="file in benchmarks/results to write")
    given = parser.parse_args()
    given.sizes = given.sizes or ("sd15" if given.gpu else "fifth")
    given.size_px = given.size_px or (512 if given.gpu else 256)
    given.steps = given.steps or (100 if given.gpu else 40)
    given.suffix = given.suffix or ("_gpu" if given.gpu else "")
    given.batch_size = given.batch_size or (8 if given.gpu else 4)
    given.precision = "bf16" if given.gpu else "fp32"
    if not given.gpu:
        torch.set_num_threads(1)
    measure(given)


if __name__ == "__main__":
    main()
