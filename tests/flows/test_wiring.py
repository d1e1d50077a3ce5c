"""What the wiring decides without running anything: where a run ends. `status` reports changed code."""

import json

import pytest

from flows.commands.status import describe_artifact
from flows.wiring.job import make_job
from flows.wiring.main_job import Reached, ending_with
from flows.wiring.making import run_job
from flows.wiring.request import Request
from tasks.artifacts.artifact import Artifact
from tasks.config import ShardsConfig, SplitsConfig
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames

ORDER = ["kitchen", "segments", "videos", "frames", "splits", "dataset", "shards", "editor", "edits"]


def made_until(until, methods=("editaction",)):
    """Return the stages that a demo job with this `until` makes, in order; nothing is run."""
    stages = []

    def make(stage, label, config, **inputs):
        stages.append(stage)

    run_job(make_job(Request(preset="demo", until=until, methods=methods)), make)
    return stages


@pytest.mark.parametrize("until", ["segments", "frames", "splits", "shards", "editor"])
def test_a_run_makes_the_stages_up_to_until_and_none_behind_it(until):
    assert made_until(until) == ORDER[: ORDER.index(until) + 1]


def test_all_editors_are_trained_before_a_run_ends_with_the_editor_stage():
    assert made_until("editor", methods=("editaction", "finetuned"))[-2:] == ["editor", "editor"]


def test_without_until_the_report_comes_last_and_once():
    stages = made_until("report")
    assert stages[-1] == "report"
    assert stages.count("report") == 1


def test_ending_with_raises_at_the_first_other_stage_and_does_not_make_it():
    made = []
    make = ending_with("frames", lambda stage, label, config, **inputs: made.append(stage))
    make("segments", "x", None)
    make("frames", "x", None)
    make("frames", "y", None)
    with pytest.raises(Reached):
        make("splits", "x", None)
    assert made == ["segments", "frames", "frames"]


def test_status_says_code_changed_only_where_the_source_differs_from_the_recorded_one(tmp_path):
    frames = draw_frames(tmp_path)
    split = splits.run(tmp_path, "t", SplitsConfig(num_test=3), frames=frames.path)
    built = shards.run(tmp_path, "t", ShardsConfig(), frames=frames.path, splits=split.path)
    assert describe_artifact(built)["code_changed"] is False
    manifest = json.loads((built.path / "manifest.json").read_text())
    (built.path / "manifest.json").write_text(json.dumps(manifest | {"source_digest": "0" * 64}))
    assert describe_artifact(Artifact.read(built.path))["code_changed"] is True
