"""What a forward and backward pass allocates at Stable Diffusion's size beside weights, gradients and moments, counted.

    python -m benchmarks.step_memory                           # a CPU; 10 GiB of main memory
    python -m benchmarks.step_memory --sizes tiny --no-record  # tries the path anywhere

torch's profiler counts every allocation of the pass: activations, converted weights, what is computed again. Gradients
are there before. Each case is counted with one and two rows; the difference is a row, the rest does not grow with rows.
"""

import argparse
import sys

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.editors import SIZES, make_unet
from benchmarks.recording import record
from modeling.diffusion.schedule import predict
from modeling.objective.freezing import freeze
from modeling.training.precision import computing_in

MIB = 2.0**20
LATENTS = 32
"""Side of the latents of pictures of 256 px, the size of training."""


def peak_mib(unet: torch.nn.Module, num_rows: int, dtype: torch.dtype, text_width: int, side: int = LATENTS) -> float:
    """Return the largest sum of what a forward and backward pass of `num_rows` rows had allocated at one time."""
    device = torch.device("cpu")
    latents, picture = (torch.randn(num_rows, 4, side, side) for _ in range(2))
    text, times = torch.randn(num_rows, 77, text_width), torch.full((num_rows,), 500)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        with computing_in(dtype, device):
            prediction = predict(unet, latents, picture, times, text)
        prediction.float().square().mean().backward()
    return peak_of(profiled) / MIB


def peak_of(profiled: profile) -> float:
    """Return the largest running sum of the allocations in bytes, from 0 where the profile begins."""
    events = [event for event in profiled.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        peak = max(peak, held)
    return peak


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", choices=list(SIZES), default="sd15")
    parser.add_argument("--no-record", action="store_true", help="print only")
    given = parser.parse_args()
    sizes = SIZES[given.sizes]
    unet = make_unet(sizes).train()
    freeze(unet, "attn2")
    for weight in unet.parameters():
        weight.grad = torch.zeros_like(weight) if weight.requires_grad else None
    measures: dict[str, float] = {}
    for name, checkpointed in (("checkpointed", True), ("plain", False)):
        (unet.enable_gradient_checkpointing if checkpointed else unet.disable_gradient_checkpointing)()
        one, two = (peak_mib(unet, rows, torch.bfloat16, sizes.text_width) for rows in (1, 2))
        measures |= {f"{name}_row_mib": round(two - one, 1), f"{name}_fixed_mib": round(2 * one - two, 1)}
        print(name, measures, flush=True)
    record(
        "step_memory",
        "What does a pass at Stable Diffusion's size allocate per row, and what besides, in bf16 at 32 x 32 latents?",
        measures,
        write=not given.no_record,
        sizes=given.sizes,
        parameters_mib=round(sum(weight.nbytes for weight in unet.parameters()) / MIB, 1),
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
