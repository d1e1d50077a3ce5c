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
    """Whether every main job has it; the others are asked for by --measure, or by commands of their own."""


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
                "tasks/annotations/segment.py",
                "tasks/annotations/epic.py",
                "tasks/annotations/mpii.py",
                "tasks/annotations/table.py",
                "tasks/annotations/pair_list.py",
                "tasks/annotations/instructions.py",
            ),
        ),
        Stage(
            name="videos",
            version=2,
            inputs=("segments", "folder"),
            sources=(
                "tasks/videos.py",
                "tasks/fetching/video_files.py",
                "tasks/fetching/fill_folder.py",
                "tasks/fetching/checked_files.py",
                "tasks/fetching/sites.py",
                "tasks/fetching/epic_videos.csv",
                "tasks/fetching/archives.py",
                "tasks/fetching/downloads.py",
            ),
        ),
        Stage(
            name="frames",
            version=3,
            inputs=("segments", "videos"),
            sources=(
                "tasks/frames.py",
                "tasks/cutting/pairs.py",
                "tasks/cutting/outside.py",
                "tasks/cutting/quality.py",
                "tasks/cutting/remote_pairs.py",
                "tasks/video/remote_index.py",
                "tasks/fetching/range_file.py",
                "tasks/video/exact_frames.py",
                "tasks/video/moments.py",
                "tasks/video/packets.py",
                "tasks/video/in_order.py",
                "tasks/video/decoding.py",
                "tasks/video/streams.py",
                "tasks/video/timeline.py",
                "tasks/video/tone_mapping.py",
                "tasks/video/nal_units.py",
                "tasks/video/file_end.py",
                "modeling/data/images.py",
            ),
        ),
        Stage(
            name="splits",
            version=2,
            inputs=("frames",),
            sources=(
                "tasks/splits.py",
                "tasks/splitting/assignment.py",
                "tasks/splitting/combinations.py",
                "tasks/splitting/leakage.py",
                "tasks/splitting/long_distance.py",
                "tasks/cutting/quality.py",
            ),
        ),
        Stage(
            name="dataset",
            version=1,
            inputs=("segments", "frames", "splits"),
            sources=(
                "tasks/dataset.py",
                "tasks/pages/dataset_statistics.py",
                "tasks/pages/dataset_tables.py",
                "tasks/pages/shown.py",
                "evaluation/pages/dataset_page.py",
                "evaluation/pages/dataset_charts.py",
                "evaluation/pages/templates",
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
            version=2,
            inputs=("videos", "shards"),
            sources=(
                "tasks/classifier.py",
                "tasks/cutting/clips.py",
                "tasks/video/exact_frames.py",
                "tasks/video/packets.py",
                "tasks/video/moments.py",
                "tasks/video/in_order.py",
                "tasks/video/decoding.py",
                "tasks/video/streams.py",
                "tasks/video/timeline.py",
                "tasks/video/tone_mapping.py",
                "tasks/video/nal_units.py",
                "tasks/video/file_end.py",
                "evaluation/metrics/action_accuracy.py",
                "evaluation/classifier/clips.py",
                "evaluation/classifier/timesformer.py",
                "evaluation/classifier/training.py",
            ),
        ),
        Stage(
            name="editor",
            version=1,
            inputs=("shards", "start"),
            sources=(
                "tasks/editor.py",
                "modeling/train.py",
                "modeling/runs/fine_tuning.py",
                "modeling/runs/steps.py",
                "modeling/training/trainer.py",
                "modeling/training/ranks.py",
                "modeling/training/spikes.py",
                "modeling/training/diagnostics.py",
                "modeling/runs/saver.py",
                "modeling/training/batches.py",
                "modeling/training/draws.py",
                "modeling/training/latents.py",
                "modeling/diffusion/schedule.py",
                "modeling/objective/losses.py",
                "modeling/objective/negatives.py",
                "modeling/objective/kindred_negatives.py",
                "modeling/objective/swapped_negatives.py",
                "modeling/objective/freezing.py",
                "modeling/training/ema.py",
                "modeling/editors/instruct_pix2pix.py",
                "modeling/runs/checkpoint.py",
                "modeling/runs/log.py",
                "modeling/runs/model_card.py",
                "modeling/data",
            ),
        ),
        Stage(
            name="edits",
            version=1,
            inputs=("editor", "shards"),
            sources=(
                "tasks/edits.py",
                "modeling/editors/instruct_pix2pix.py",
                "modeling/diffusion/sampling.py",
                "modeling/diffusion/schedule.py",
            ),
        ),
        Stage(
            name="scores",
            version=2,
            inputs=("shards", "edits", "classifier"),
            sources=(
                "tasks/scores.py",
                "evaluation/scoring/rows.py",
                "evaluation/scoring/split_scorer.py",
                "evaluation/statistics/intervals.py",
                "evaluation/metrics/fid.py",
                "evaluation/metrics/action_accuracy.py",
                "evaluation/classifier/clips.py",
                "evaluation/kitchen",
            ),
        ),
        Stage(
            name="report",
            version=1,
            inputs=("scores", "edits"),
            sources=(
                "tasks/report.py",
                "tasks/pages/shown.py",
                "evaluation/pages/page.py",
                "evaluation/pages/charts.py",
                "evaluation/pages/tables.py",
                "evaluation/pages/templates",
            ),
        ),
        Stage(
            name="survey",
            version=1,
            inputs=("shards", "edits"),
            sources=(
                "tasks/survey.py",
                "tasks/exports/rating_files.py",
                "evaluation/human_study/questions.py",
                "evaluation/human_study/survey.py",
                "evaluation/human_study/exports.py",
                "evaluation/human_study/templates",
            ),
            in_main_job=False,
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
                "modeling/measuring/telling_apart.py",
                "modeling/objective/kindred_negatives.py",
                "modeling/objective/negatives.py",
                "modeling/diffusion/schedule.py",
                "modeling/editors/instruct_pix2pix.py",
            ),
            in_main_job=False,
        ),
    )
}
"""In the order in which they run."""
