"""What `--plan` says about training before it begins."""

from pathlib import Path

from flows.wiring.job import make_job
from flows.wiring.request import Request
from flows.wiring.training_plan import training_plan


def test_the_plan_counts_steps_and_memory_and_proposes_flags_for_cards(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("video,start_s,stop_s,instruction\nv,0,1,take cup\n")
    request = Request(
        preset="table", annotations=str(tmp_path / "a.csv"), videos=str(tmp_path), workspace=str(tmp_path / "w")
    )
    text = "\n".join(training_plan(make_job(request)))
    assert "10,000 steps of 64 at 256 px" in text
    assert "weights 3.2" in text
    assert "a checkpoint: about 13.8 GB; a cancelled training gets 158 s to save it" in text
    assert "in 16 GiB: --micro-batch" in text
    assert "--gradient-checkpointing" in text


def test_a_job_that_ends_before_training_says_nothing_of_it(tmp_path: Path) -> None:
    assert training_plan(make_job(Request(preset="demo", until="shards", workspace=str(tmp_path)))) == []


def test_options_of_one_gpu_reach_the_run(tmp_path: Path) -> None:
    request = Request(
        preset="demo", micro_batch=2, gradient_checkpointing=True, ema_on="cpu", cache="off", compile=True
    )
    options = request.options
    assert (options.micro_batch, options.gradient_checkpointing, options.ema_on) == (2, True, "cpu")
    assert (options.cache, options.compile) == ("off", True)
