"""The stages of the main job: their order, versions, inputs and source files. Data, not code: imports no stage."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What keys and status need to know of a stage without importing it."""

    name: str
    """Name, task file and first folder of its artifacts."""
    version: int
    """Raised when the code's result changes; part of every key."""
    inputs: tuple[str, ...]
    """Stages (or outside things) it reads."""
    sources: tuple[str, ...]
    """Files and folders, from the repository's root, whose change is reported as `code changed`."""
    in_main_job: bool = True
    """Whether the main job has it; the others belong to the objective study."""


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            name="kitchen",
            version=1,
            inputs=(),
            sources=("tasks/kitchen.py", "evaluation/kitchen"),
        ),
        Stage(
            name="segments",
            version=2,
            inputs=("annotations",),
            sources=(
                "tasks/segments.py",
                "tasks/segment.py",
                "tasks/epic.py",
                "tasks/mpii.py",
                "tasks/table.py",
                "tasks/pair_list.py",
                "tasks/instructions.py",
            ),
        ),
        Stage(
            name="videos",
            version=2,
            inputs=("segments", "folder"),
            sources=(
                "tasks/videos.py",
                "tasks/video_files.py",
                "tasks/videos_folder.py",
                "tasks/checked_files.py",
                "tasks/video_sites.py",
                "tasks/epic_videos.csv",
                "tasks/archives.py",
                "tasks/downloads.py",
            ),
        ),
        Stage(
            name="frames",
            version=2,
            inputs=("segments", "videos"),
            sources=(
                "tasks/frames.py",
                "tasks/pairs.py",
                "tasks/quality.py",
                "tasks/remote_pairs.py",
                "tasks/remote_index.py",
                "tasks/range_file.py",
                "tasks/video.py",
                "tasks/moments.py",
                "tasks/packets.py",
                "tasks/in_order.py",
                "tasks/decoding.py",
                "modeling/data/images.py",
            ),
        ),
        Stage(
            name="splits",
            version=2,
            inputs=("frames",),
            sources=(
                "tasks/splits.py",
                "tasks/assignment.py",
                "tasks/combinations.py",
                "tasks/leakage.py",
                "tasks/long_distance.py",
                "tasks/quality.py",
            ),
        ),
        Stage(
            name="dataset",
            version=1,
            inputs=("segments", "frames", "splits"),
            sources=(
                "tasks/dataset.py",
                "tasks/dataset_statistics.py",
                "tasks/dataset_tables.py",
                "tasks/shown.py",
                "evaluation/dataset_page.py",
                "evaluation/dataset_charts.py",
                "evaluation/templates",
            ),
        ),
        Stage(
            name="shards",
            version=1,
            inputs=("frames", "splits"),
            sources=("tasks/shards.py", "modeling/data/example.py"),
        ),
        Stage(
            name="classifier",
            version=1,
            inputs=("videos", "shards"),
            sources=(
                "tasks/classifier.py",
                "tasks/clips.py",
                "tasks/video.py",
                "tasks/packets.py",
                "tasks/moments.py",
                "tasks/in_order.py",
                "tasks/decoding.py",
                "evaluation/action_accuracy.py",
                "evaluation/clips.py",
                "evaluation/timesformer.py",
                "evaluation/timesformer_training.py",
            ),
        ),
        Stage(
            name="editor",
            version=1,
            inputs=("shards", "start"),
            sources=(
                "tasks/editor.py",
                "modeling/train.py",
                "modeling/fine_tuning.py",
                "modeling/steps.py",
                "modeling/trainer.py",
                "modeling/ranks.py",
                "modeling/spikes.py",
                "modeling/diagnostics.py",
                "modeling/saver.py",
                "modeling/batches.py",
                "modeling/draws.py",
                "modeling/latents.py",
                "modeling/diffusion.py",
                "modeling/losses.py",
                "modeling/negatives.py",
                "modeling/kindred_negatives.py",
                "modeling/swapped_negatives.py",
                "modeling/freezing.py",
                "modeling/ema.py",
                "modeling/editor.py",
                "modeling/checkpoint.py",
                "modeling/metrics.py",
                "modeling/model_card.py",
                "modeling/data",
            ),
        ),
        Stage(
            name="edits",
            version=1,
            inputs=("editor", "shards"),
            sources=("tasks/edits.py", "modeling/editor.py", "modeling/sampling.py", "modeling/diffusion.py"),
        ),
        Stage(
            name="scores",
            version=1,
            inputs=("shards", "edits", "classifier"),
            sources=(
                "tasks/scores.py",
                "evaluation/scoring.py",
                "evaluation/split_scorer.py",
                "evaluation/statistics.py",
                "evaluation/fid.py",
                "evaluation/action_accuracy.py",
                "evaluation/clips.py",
                "evaluation/kitchen",
            ),
        ),
        Stage(
            name="report",
            version=1,
            inputs=("scores", "edits"),
            sources=(
                "tasks/report.py",
                "tasks/shown.py",
                "evaluation/report.py",
                "evaluation/report_charts.py",
                "evaluation/report_tables.py",
                "evaluation/templates",
            ),
        ),
        Stage(
            name="verdicts",
            version=1,
            inputs=("edits", "shards", "kitchen"),
            sources=("tasks/verdicts.py", "evaluation/kitchen"),
            in_main_job=False,
        ),
        Stage(
            name="told_apart",
            version=2,
            inputs=("editor", "shards"),
            sources=(
                "tasks/told_apart.py",
                "modeling/telling_apart.py",
                "modeling/kindred_negatives.py",
                "modeling/negatives.py",
                "modeling/diffusion.py",
                "modeling/editor.py",
            ),
            in_main_job=False,
        ),
        Stage(
            name="study",
            version=2,
            inputs=("verdicts", "told_apart", "editor"),
            sources=(
                "tasks/study.py",
                "evaluation/study.py",
                "evaluation/study_tables.py",
                "evaluation/crossed_statistics.py",
            ),
            in_main_job=False,
        ),
    )
}
"""In the order in which they run."""
