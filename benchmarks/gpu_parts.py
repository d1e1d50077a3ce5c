"""The parts of `benchmarks/gpu.py`: each measures one thing at one scale and returns plain numbers by name.

`FULL` is Stable Diffusion 1.5's size on a GPU, `MINIATURE` the same code at next to no size on a CPU, to try it out.
"""

import gc
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from benchmarks import editing
from benchmarks.demo import PLAINLY, drawn_kitchen_measures, newest_scores, stage_seconds
from benchmarks.measuring import in_turns, median_of, median_ratio
from benchmarks.memory import step_bytes
from benchmarks.resuming import differences_after_a_stop
from benchmarks.training import PAPERS_SAMPLES, Counted, Setting, measure_objective
from benchmarks.training_steps import OurStep, write_pairs
from modeling.data.loader import Examples
from modeling.measuring.memory_account import CHOICES, GIB, STABLE_DIFFUSION, Choice, total_gib
from modeling.runs.fine_tuning import TrainOptions

CHECKOUT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The sizes of all measurements."""

    device: str
    sizes: str = "sd15"
    """The size of the editor (benchmarks/editors.py)."""
    train_px: int = 256
    edit_px: int = 512
    edit_steps: int = 100
    edit_batch: int = 8
    turns: int = 5
    steps_per_turn: int = 5
    max_seconds: float = 60.0
    """No turn of a comparison begins after this many seconds."""
    compiles: bool = True
    choices: tuple[Choice, ...] = CHOICES
    """Settings of the memory measurement."""
    resume_sizes: str = "fifth"
    resume_steps: int = 40
    kitchen: tuple[str, ...] = ()
    """Settings that make the demo shorter."""

    def batch_size(self) -> int:
        """Return the training batch: the paper's where its activations fit at once, as the recipe needs it."""
        if self.device != "cuda":
            return 2
        gib = torch.cuda.get_device_properties(0).total_memory / GIB
        return next((batch for batch, wanted in ((64, 60), (16, 30), (4, 0)) if gib >= wanted), 4)

    def setting(self, precision: str = "bf16") -> Setting:
        """Return how training is measured."""
        return Setting(
            sizes=self.sizes,
            size_px=self.train_px,
            batch_size=self.batch_size(),
            turns=self.turns,
            steps_per_turn=self.steps_per_turn,
            options=TrainOptions(device=self.device),
            precision=precision,
            device=torch.device(self.device),
            max_seconds=self.max_seconds,
        )


FULL = Scale(device="cuda")
MINIATURE = Scale(
    device="cpu",
    sizes="tiny",
    train_px=64,
    edit_px=64,
    edit_steps=2,
    edit_batch=2,
    turns=1,
    steps_per_turn=1,
    compiles=False,
    choices=(Choice(micro_batch=2), Choice(micro_batch=2, gradient_checkpointing=True, ema_on="cpu")),
    resume_sizes="tiny",
    resume_steps=3,
    kitchen=(
        *("kitchen.num_videos=3", "editor.num_steps=2", "editor.batch_size=2", "editor.checkpoint_every=2"),
        *("classifier.num_epochs=1", "classifier.max_segments=16", "splits.num_test=4", "edits.sampling.num_steps=1"),
    ),
)


@contextmanager
def _examples(count: int, size_px: int) -> Iterator[Examples]:
    with tempfile.TemporaryDirectory() as folder:
        yield Examples(write_pairs(Path(folder), count=count, size_px=size_px))


def training(scale: Scale, work: Path) -> dict[str, float]:
    """L_static compared with diffusers' recipe, then all three losses: samples a second, TFLOP/s, share of the
    matmul peak.
    """
    setting = scale.setting()
    measures = {"batch_size": float(setting.batch_size)}
    with _examples(max(16, setting.batch_size), setting.size_px) as examples:
        for name in ("static", "editaction"):
            measures |= measure_objective(name, examples, setting, with_recipe=name == "static")
            _forget(setting.device)
    measures["hours_for_the_papers_budget"] = PAPERS_SAMPLES / measures["samples_per_s_editaction"] / 3600
    return measures


def fp32(scale: Scale, work: Path) -> dict[str, float]:
    """All three losses in fp32, to compare with bf16."""
    setting = replace(scale.setting("fp32"), batch_size=max(2, scale.batch_size() // 4))
    with _examples(16, setting.size_px) as examples:
        measures = measure_objective("editaction", examples, setting, with_recipe=False)
    names = ("samples_per_s_editaction", "tflop_per_s_editaction")
    return {f"{name}_fp32": measures[name] for name in names} | {"batch_size_fp32": float(setting.batch_size)}


def compiling(scale: Scale, work: Path) -> dict[str, float]:
    """All three losses with one trainer, before and after torch.compile: seconds of the first step, and the gain."""
    setting = scale.setting()
    turns = {"num_turns": setting.turns, "device": setting.device, "max_seconds": setting.max_seconds}
    with _examples(max(16, setting.batch_size), setting.size_px) as examples:
        ours = OurStep(setting.sizes, setting.config("editaction"), examples, setting.options)
        plain = in_turns({"plain": Counted(ours, setting.steps_per_turn)}, **turns)["plain"]
        began_at = time.perf_counter()
        if scale.compiles:
            ours.trainer.compile()
        ours(1)
        first_s = time.perf_counter() - began_at
        compiled = in_turns({"compiled": Counted(ours, setting.steps_per_turn)}, **turns)["compiled"]
    num_both = min(len(plain), len(compiled))
    return {
        "compile_first_step_s": first_s,
        "samples_per_s_compiled": setting.batch_size * setting.steps_per_turn / median_of(compiled),
        "speedup_of_compiling": median_ratio(plain[:num_both], compiled[:num_both]),
    }


def memory(scale: Scale, work: Path) -> dict[str, float]:
    """The peak of a step under each choice of `--plan`, and the error of its account, where the step fits."""
    measures: dict[str, float] = {}
    for choice in scale.choices:
        if choice.adam_bits == 8 and importlib.util.find_spec("bitsandbytes") is None:
            continue
        name = choice.flags.replace("--", "").replace(" ", "_").replace("-", "_")
        try:
            peak, first = _peaks_gib(scale, choice)
        except torch.OutOfMemoryError:
            measures[f"fits_{name}"] = 0.0
            continue
        finally:
            _forget(torch.device(scale.device))
        counted = total_gib(scale.setting().config("editaction"), STABLE_DIFFUSION, choice, cuda=False)
        measures |= {f"fits_{name}": 1.0, f"peak_gib_{name}": peak, f"peak_gib_first_step_{name}": first}
        measures |= {f"account_gib_{name}": counted, f"account_minus_peak_gib_{name}": counted - peak}
    return measures


def _peaks_gib(scale: Scale, choice: Choice) -> tuple[float, float]:
    """Return the peak of a usual step, and that of the first step, which also measures each loss by itself."""
    setting = scale.setting()
    on_gpu = setting.device.type == "cuda"
    # Two micro-batches on a GPU, so that gradients lie there together with the activations of the second one.
    config = replace(
        setting.config("editaction"), batch_size=choice.micro_batch * (2 if on_gpu else 1), adam_bits=choice.adam_bits
    )
    options = replace(
        setting.options,
        micro_batch=choice.micro_batch,
        gradient_checkpointing=choice.gradient_checkpointing,
        ema_on=choice.ema_on,
    )
    with _examples(16, setting.size_px) as examples:
        ours = OurStep(setting.sizes, config, examples, options)
        if on_gpu:
            torch.cuda.reset_peak_memory_stats()
        ours(0)
        first = torch.cuda.max_memory_allocated() / GIB if on_gpu else 0.0
        peak = step_bytes(ours, setting.device) / GIB
        if ours.batches.micro_batch < choice.micro_batch:  # the batch was halved automatically
            raise torch.OutOfMemoryError(f"{choice.flags} does not fit.")
    return peak, first


def editing_part(scale: Scale, work: Path) -> dict[str, float]:
    """Seconds of an edit compared with diffusers' own pipeline, and the gain of the pass that is left out."""
    given = Namespace(
        gpu=scale.device == "cuda",
        sizes=scale.sizes,
        size_px=scale.edit_px,
        steps=scale.edit_steps,
        batch_size=scale.edit_batch,
        turns=scale.turns,
        precision="bf16",
        compile=False,
    )
    measures = editing.measures_of(given, torch.device(scale.device), max_seconds=2 * scale.max_seconds)
    return {f"edit_{name}": value for name, value in measures.items()}


def resuming(scale: Scale, work: Path) -> dict[str, float]:
    """A run that was stopped and resumed, compared with an undisturbed one; and two undisturbed ones compared."""
    return differences_after_a_stop(scale.device, sizes=scale.resume_sizes, num_steps=scale.resume_steps)


def kitchen(scale: Scale, work: Path) -> dict[str, float]:
    """The demo in bf16, judged by the oracle. Its workspace stays in `work`, so an interrupted run continues there."""
    settings = ["editor.precision=bf16", "edits.sampling.precision=bf16", *scale.kitchen]
    environment = os.environ | {"PYTHONPATH": str(CHECKOUT)}
    subprocess.run(
        [sys.executable, "-c", PLAINLY, str(work / "kitchen"), *settings], cwd=work, env=environment, check=True
    )
    seconds = stage_seconds(work / "kitchen")
    measures = drawn_kitchen_measures(newest_scores(work / "kitchen"))
    measures |= {"minutes": sum(seconds.values()) / 60, "training_s": seconds["editor:demo"]}
    return {f"kitchen_bf16_{name}": value for name, value in measures.items()}


def _forget(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing to measure."""

    measure: Callable[[Scale, Path], dict[str, float]]
    share_s: int
    """The most seconds that the part should take on a GPU; it also gets the time that earlier parts left."""


PARTS = {
    "training": Part(measure=training, share_s=260),
    "editing": Part(measure=editing_part, share_s=260),
    "memory": Part(measure=memory, share_s=180),
    "kitchen": Part(measure=kitchen, share_s=380),
    "compiling": Part(measure=compiling, share_s=240),
    "resuming": Part(measure=resuming, share_s=60),
    "fp32": Part(measure=fp32, share_s=100),
}
"""The parts in the order of measurement: the most valuable first."""


def run_part(name: str, scale: Scale, work: Path, result: Path, log: Path) -> None:
    """Measure a part in this process, in a process group of its own.

    Its output goes to `log`; its numbers are written.
    """
    os.setsid()
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    measures = PARTS[name].measure(scale, work)
    result.write_text(json.dumps({measure: round(value, 4) for measure, value in measures.items()}), encoding="utf-8")
