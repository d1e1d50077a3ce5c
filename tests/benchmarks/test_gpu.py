"""The GPU benchmark in miniature on a CPU: every part runs.

A part that fails does not end the others and is tried again.
"""

import json
import math
import multiprocessing
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.gpu import _parser, checked, measure_part, measured_before
from benchmarks.gpu_parts import MINIATURE, PARTS
from benchmarks.recording import RESULTS
from flows.wiring.job import Request, make_job
from flows.wiring.settings import parse_settings

ROOT = Path(__file__).resolve().parents[2]
CHEAP = [name for name in PARTS if name != "kitchen"]
"""Check only the settings of the kitchen part, because it would start three processes that import torch."""


def call(folder: Path, *more: str) -> tuple[int, str, dict]:
    command = [sys.executable, "-m", "benchmarks.gpu", "--miniature", "--work", str(folder / "work"), *more]
    done = subprocess.run([*command, "--out", str(folder / "out.json")], cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr, json.loads((folder / "out.json").read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_part_runs_in_miniature_and_what_failed_is_taken_up_alone(tmp_path):
    (tmp_path / "work" / "fp32.log").mkdir(parents=True)  # that part wants to write a file of this name
    status, told, first = call(tmp_path, "--only", ",".join(CHEAP))
    states = {name: part["status"] for name, part in first["parts"].items()}
    expected = dict.fromkeys(CHEAP, "measured") | {"fp32": "failed", "kitchen": "missing"}
    assert (status, states) == (3, expected), told
    assert "ended with status 1" in first["parts"]["fp32"]["reason"]
    assert told.index("about 260 s") < told.index("training: measured"), "the plan comes first"
    (tmp_path / "work" / "fp32.log").rmdir()
    status, told, second = call(tmp_path, "--only", ",".join(CHEAP))
    assert (status, second["parts"]["fp32"]["status"]) == (0, "measured"), told
    assert {name: second["parts"][name] for name in CHEAP[:-1]} == {name: first["parts"][name] for name in CHEAP[:-1]}
    measures = second["measures"]
    wanted = {"samples_per_s", "samples_per_s_editaction", "samples_per_s_compiled", "samples_per_s_editaction_fp32"}
    wanted |= {"share_of_matmul_peak", "tflop_per_s", "account_minus_peak_gib_micro_batch_2", "resume_difference"}
    assert wanted | {"edit_speedup_two_pass_only", "edit_speedup_over_pipeline"} <= measures.keys()
    assert all(math.isfinite(value) for value in measures.values())
    assert measures["resume_bit_identical_weights"] == 1, "on a CPU a resumed run is the same to the bit"
    assert "no number of it is a result" in second["note"]


def test_a_part_that_hangs_is_cut_off_and_written_down(tmp_path):
    result = measure_part(multiprocessing.get_context("fork"), "memory", MINIATURE, tmp_path, 0.0)
    assert (result["status"], result["reason"]) == ("failed", "cut off after 0 s")


@pytest.mark.parametrize(
    ("content", "is_there"),
    [
        ({"status": "measured", "device": "this GPU"}, True),
        ({"status": "measured", "device": "another GPU"}, False),
        ({"status": "failed", "device": "this GPU"}, False),
    ],
)
def test_what_was_measured_on_the_same_device_is_not_measured_again(tmp_path, content, is_there):
    (tmp_path / "memory.json").write_text(json.dumps(content), encoding="utf-8")
    assert (measured_before(tmp_path, "memory", "this GPU") is not None) == is_there
    assert measured_before(tmp_path, "editing", "this GPU") is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--miniature"], "A miniature has no results"),
        (["--miniature", "--out", str(RESULTS / "gpu.json")], "A miniature has no results"),
        (["--only", "sewing"], "There is no part sewing"),
    ],
)
def test_a_miniature_cannot_pass_for_a_measurement(words, said, capsys):
    parser = _parser()
    with pytest.raises(SystemExit):
        checked(parser.parse_args(words), parser)
    assert said in capsys.readouterr().err


def test_the_parts_fit_into_25_minutes_and_the_kitchens_settings_are_settings():
    assert sum(part.share_s for part in PARTS.values()) <= 25 * 60
    settings = parse_settings(["editor.precision=bf16", "edits.sampling.precision=bf16", *MINIATURE.kitchen])
    config = make_job(Request(preset="demo", settings=settings)).config
    assert (config.editor.precision, config.edits.sampling.precision, config.kitchen.num_videos) == ("bf16", "bf16", 3)
