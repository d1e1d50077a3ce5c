"""Samples a second in training, against diffusers' own recipe in the same run, and what freezing saves.

    python -m benchmarks.training            # CPU: every width of Stable Diffusion 1.5 a fifth, 128 px
    python -m benchmarks.training --gpu      # Stable Diffusion 1.5's sizes, 256 px, bf16; adds measures named *_gpu
    python -m benchmarks.training --gpu --sizes tiny --size-px 64 --batch-size 2 --turns 2   # tries that path anywhere

`static` is L_static with nothing frozen, what the recipe trains as well: same random weights, examples, noise and
timesteps, and the first losses are compared. The other objectives are EditAction and each with freezing turned round.
"""

import argparse
import gc
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.editors import SIZES
from benchmarks.measuring import in_turns, machine_of, median_of, median_ratio
from benchmarks.memory import counted_bytes, step_bytes
from benchmarks.recording import record
from benchmarks.resuming import resume_is_bit_identical
from benchmarks.training_steps import OBJECTIVES, OurStep, RecipeStep, write_pairs
from modeling.config import TrainConfig
from modeling.data.loader import Examples
from modeling.runs.fine_tuning import TrainOptions

QUESTION = "How many samples a second does training do, how much faster than diffusers' recipe, and what does it take?"
PAPERS_SAMPLES = 640_000
"""The samples of the paper's training: 10 000 steps of 64."""
_MIB = 2**20


@dataclass
class Setting:
    """What is measured, and on which device."""

    sizes: str
    size_px: int
    batch_size: int
    turns: int
    steps_per_turn: int
    options: TrainOptions
    precision: str
    device: torch.device
    max_seconds: float = math.inf
    """No turn begins after this many seconds."""

    def config(self, objective: str) -> TrainConfig:
        """Return the run's config; gradients are clipped, as in the recipe."""
        return TrainConfig(
            size_px=self.size_px,
            batch_size=self.batch_size,
            precision=self.precision,  # type: ignore[arg-type]
            objective=OBJECTIVES[objective],
            max_grad_norm=1.0,
        )


class Counted:
    """Runs a step `steps_per_turn` times a turn, with the next numbers each time."""

    def __init__(self, ours: OurStep, num_steps: int, recipe: RecipeStep | None = None):
        self._ours = ours
        self._recipe = recipe
        self._num_steps = num_steps
        self._next = 1

    def __call__(self) -> None:
        """Do the next steps."""
        for _ in range(self._num_steps):
            if self._recipe is None:
                self._ours(self._next)
            else:
                self._recipe(self._ours.batches.draw(self._next).draws)
            self._next += 1


class Matmul:
    """Square matrix products: they give the machine's rate, to which the rate of a step is compared."""

    def __init__(self, setting: Setting):
        on_gpu = setting.device.type == "cuda"
        self._side, self._times = (8192, 50) if on_gpu else (1024, 10)
        dtype = torch.bfloat16 if setting.precision == "bf16" else torch.float32
        self._matrix = torch.randn(self._side, self._side, device=setting.device).to(dtype)

    @property
    def flops(self) -> int:
        """Floating-point operations of one call."""
        return 2 * self._side**3 * self._times

    def __call__(self) -> None:
        """Multiply."""
        for _ in range(self._times):
            self._matrix @ self._matrix


def step_flops(ours: OurStep) -> int:
    """Return the floating-point operations of one step's matrix products, convolutions and attention, forward and
    backward.
    """
    with FlopCounterMode(display=False) as counter:
        ours(1)  # every hundredth step, and step 0, also measures the gradient of each loss
    return int(counter.get_total_flops())


def measure_objective(name: str, examples: Examples, setting: Setting, *, with_recipe: bool) -> dict[str, float]:
    """Return the measures of one objective, and those of the recipe beside it."""
    ours = OurStep(setting.sizes, setting.config(name), examples, setting.options)
    measures: dict[str, float] = {}
    work: dict[str, Counted | Matmul] = {name: Counted(ours, setting.steps_per_turn), "matmul": Matmul(setting)}
    if with_recipe:
        recipe = RecipeStep(setting.sizes, setting.config(name), examples, setting.device)
        first, theirs = ours(0), recipe(ours.batches.draw(0).draws)
        measures["first_loss_difference_percent"] = 100 * abs(first / theirs - 1)
        work["recipe"] = Counted(ours, setting.steps_per_turn, recipe)
    taken = in_turns(work, num_turns=setting.turns, device=setting.device, max_seconds=setting.max_seconds)
    num_samples = setting.batch_size * setting.steps_per_turn
    flops, matmul = step_flops(ours) * setting.steps_per_turn, work["matmul"]
    assert isinstance(matmul, Matmul)
    ending = "" if name == "static" else f"_{name}"
    measures |= {
        f"samples_per_s{ending}": num_samples / median_of(taken[name]),
        f"samples_per_wall_s{ending}": num_samples / median_of(taken[name], "wall"),
        f"tflop_per_s{ending}": flops / median_of(taken[name]) / 1e12,
        f"share_of_matmul_peak{ending}": median_ratio(taken["matmul"], taken[name], per=flops / matmul.flops),
        f"memory_mib{ending}": step_bytes(ours, setting.device) / _MIB,
    }
    if with_recipe:
        measures["speedup_over_diffusers_recipe"] = median_ratio(taken["recipe"], taken[name])
        measures["samples_per_s_recipe"] = num_samples / median_of(taken["recipe"])
        measures["matmul_peak_tflop_per_s"] = matmul.flops / median_of(taken["matmul"]) / 1e12
    return measures


def measure_all(setting: Setting) -> dict[str, float]:
    """Return the measures of all objectives, one after the other, so that only one is in memory."""
    measures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        examples = Examples(write_pairs(Path(folder), count=max(16, setting.batch_size), size_px=setting.size_px))
        for name in OBJECTIVES:
            measures |= measure_objective(name, examples, setting, with_recipe=name == "static")
            gc.collect()
            if setting.device.type == "cuda":
                torch.cuda.empty_cache()
    for ending, frozen, free in (("", "editaction", "editaction_unfrozen"), ("_static", "static_frozen", "static")):
        sizes = [measures["memory_mib" if name == "static" else f"memory_mib_{name}"] for name in (frozen, free)]
        measures[f"freeze_memory_saving_percent{ending}"] = 100 * (1 - sizes[0] / sizes[1])
    counted = [
        counted_bytes("sd15", name, size_px=256, micro_batch=4) for name in ("editaction", "editaction_unfrozen")
    ]
    measures["freeze_memory_saving_percent_sd15_counted"] = 100 * (1 - counted[0] / counted[1])
    measures["memory_gib_sd15_counted"] = counted[0] / 2**30
    if setting.device.type == "cuda":
        measures["hours_for_the_papers_budget"] = PAPERS_SAMPLES / measures["samples_per_s_editaction"] / 3600
    return measures


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu", action="store_true", help="the GPU's sizes and names, on a CPU where there is none")
    parser.add_argument("--sizes", choices=list(SIZES))
    parser.add_argument("--size-px", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--turns", type=int)
    parser.add_argument("--steps-per-turn", type=int)
    parser.add_argument("--micro-batch", type=int, default=0)
    parser.add_argument("--gradient-checkpointing", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--name", default="training", help="file in benchmarks/results to write")
    return parser


def main() -> None:
    """Read the command line, measure and record."""
    given = _parser().parse_args()
    on_gpu = given.gpu and torch.cuda.is_available()
    if not given.gpu:
        torch.set_num_threads(1)
    device = torch.device("cuda" if on_gpu else "cpu")
    setting = Setting(
        sizes=given.sizes or ("sd15" if given.gpu else "fifth"),
        size_px=given.size_px or (256 if given.gpu else 128),
        batch_size=given.batch_size or (64 if given.gpu else 4),
        turns=given.turns or (10 if given.gpu else 4),
        steps_per_turn=given.steps_per_turn or (20 if on_gpu else 1),
        options=TrainOptions(
            device=device.type,
            micro_batch=given.micro_batch,
            gradient_checkpointing=given.gradient_checkpointing,
            compile=given.compile,
        ),
        precision="bf16" if given.gpu else "fp32",
        device=device,
    )
    measures = measure_all(setting)
    measures["resume_bit_identical"] = int(resume_is_bit_identical())
    suffix = "_gpu" if given.gpu else ""
    described = {name: str(value) for name, value in vars(setting).items()} | {"widths": vars(SIZES[setting.sizes])}
    record(
        given.name,
        QUESTION,
        {f"{name}{suffix}": round(value, 4) for name, value in measures.items()},
        keep_earlier=True,
        write=on_gpu or not given.gpu,
        alternative="diffusers' train_instruct_pix2pix written anew: autoencoder and text encoder at every step",
        seconds="CPU seconds of one thread on a CPU (samples_per_wall_s: wall clock, other load included)",
        memory="a GPU's peak; on a CPU counted: weights, average, moments, frozen copy, gradients, saved tensors",
        hours="hours_for_the_papers_budget is extrapolated from the measured steps to 640 000 samples",
        **{f"setting{suffix}": described | machine_of(device)},
    )


if __name__ == "__main__":
    main()
