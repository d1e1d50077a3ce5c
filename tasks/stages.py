"""The stages of the main job: their order, versions and inputs. Data, not code: imports no stage."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """The facts about a stage that keys and status need without importing it."""

    name: str
    """Name, task file and first folder of its artifacts."""
    version: int
    """Raised when the code's result changes; part of every key."""
    inputs: tuple[str, ...]
    """Stages (or outside things) it reads."""
    in_main_job: bool = True
    """True when every main job has it; the others run by --measure, or by commands of their own."""


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(name="kitchen", version=1, inputs=()),
        Stage(name="segments", version=6, inputs=("annotations",)),
        Stage(name="videos", version=2, inputs=("segments", "folder")),
        Stage(name="frames", version=10, inputs=("segments", "videos")),
        Stage(name="splits", version=2, inputs=("frames",)),
        Stage(name="dataset", version=2, inputs=("segments", "frames", "splits")),
        Stage(name="shards", version=1, inputs=("frames", "splits")),
        Stage(name="classifier", version=3, inputs=("videos", "shards")),
        Stage(name="editor", version=2, inputs=("shards", "start")),
        Stage(name="edits", version=2, inputs=("editor", "shards")),
        Stage(name="scores", version=9, inputs=("shards", "edits", "classifier")),
        Stage(name="report", version=9, inputs=("scores", "edits")),
        Stage(name="survey", version=3, inputs=("shards", "edits"), in_main_job=False),
        Stage(name="verdicts", version=1, inputs=("edits", "shards", "kitchen"), in_main_job=False),
        Stage(name="told_apart", version=2, inputs=("editor", "shards"), in_main_job=False),
        Stage(name="forgetting", version=3, inputs=("editor",), in_main_job=False),
        Stage(name="timing", version=1, inputs=("editor", "shards"), in_main_job=False),
    )
}
"""All stages in the order in which they run."""
