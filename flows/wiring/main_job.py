"""The main job, stage by stage, as in the paper's figure: all connections of stages are here.

The wiring calls `make(stage, label, config, **inputs)`, which returns the artifact's folder, or None when it only
plans. So the same lines run the stages (as Prefect tasks or as plain calls) and plan them.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from flows.wiring.captions import read_captions
from flows.wiring.job import MEASURED_AFTER, Job
from flows.wiring.outside_inputs import (
    classifier_inputs,
    outside_annotations,
    outside_file,
    outside_start,
    scores_inputs,
)
from modeling.editors.settings import METHOD_CONFIGS, PipelineConfig
from modeling.presets import EDITACTION, method
from tasks.artifacts.artifact import Artifact, Outside
from tasks.config import MadeElsewhereConfig, MethodEditsConfig, TimingConfig, VerdictsConfig
from tasks.fetching.checked_files import downloads_folder
from tasks.fetching.video_files import outside_folder, outside_site
from tasks.pages.editor_names import EDITS, SEED, TIMING, TOLD_APART, editor_label, editor_of

ANNOTATIONS_OF_STYLE = {"mpii": "annotations.mat", "epic": "annotations.csv"}

Place = Path | Outside | None
"""An input of a stage: an artifact's folder, something from outside, or not known yet (in a plan)."""


class Make(Protocol):
    """Runs or plans one stage."""

    def __call__(self, stage: str, label: str, config: object, **inputs: Place) -> Path | None: ...


class Reached(Exception):
    """The last requested stage is done."""


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """What build_dataset gives."""

    kitchen: Path | None
    """The acted-out kitchen with its goals, for the oracle."""
    segments: Path | None
    videos: Path | None
    frames: Path | None
    splits: Path | None
    shards: Path | None


def ending_with(until: str, make: Make) -> Make:
    """Return a `make` that raises Reached at the first stage after all artifacts of stage `until`."""
    is_reached = False

    def made(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        nonlocal is_reached
        if is_reached and stage != until and stage not in MEASURED_AFTER:
            raise Reached
        is_reached |= stage == until
        return make(stage, label, config, **inputs)

    return made


def make_dataset(job: Job, make: Make) -> Dataset:
    """Annotations + videos -> segments -> frame pairs -> splits -> shards."""
    config, label = job.config, job.config.preset
    kitchen = make("kitchen", label, config.kitchen) if config.kitchen is not None else None
    more = {
        f"annotations_{place:03d}": outside_file(path)
        for place, path in enumerate(map(Path, job.request.more_annotations), 2)
    }
    segments = make("segments", label, config.segments, annotations=_annotations(job, kitchen), **more)
    videos = make("videos", label, config.videos, segments=segments, folder=_folder(job, kitchen, segments))
    frames = make("frames", label, config.frames, segments=segments, videos=videos)
    given = {"recorded": _annotations(job, kitchen)} if config.segments.reader == "pairs" else {}
    if job.request.long_distance is not None:
        given["long_distance"] = outside_file(Path(job.request.long_distance))
    splits = make("splits", label, config.splits, frames=frames, **given)
    make("dataset", label, config.dataset, segments=segments, videos=videos, frames=frames, splits=splits)
    shards = make("shards", label, config.shards, frames=frames, splits=splits)
    return Dataset(kitchen=kitchen, segments=segments, videos=videos, frames=frames, splits=splits, shards=shards)


def editors(job: Job, made: Dataset, make: Make) -> dict[str, Path | None]:
    """Shards + start -> the fine-tuned editor of each method and training seed, by its label."""
    config, start = job.config, outside_start(job.config.start)
    several, made_by = len(job.training_seeds) > 1, {}
    for name in job.methods:
        for seed in job.training_seeds:
            label = editor_label(name, seed if several else None)
            training = replace(config.editor, objective=method(name, config.editor.objective), seed=seed)
            made_by[label] = make(
                "editor", folder_label(config.preset, label), training, shards=made.shards, start=start
            )
    return made_by


def measured_editors(job: Job, trained: dict[str, Path | None]) -> list[tuple[str, Place]]:
    """Return the trained editors and, unless it is left out, the untouched start, each with its label."""
    untouched = [("start", outside_start(job.config.start))] if job.config.untouched_start else []
    return [*trained.items(), *untouched]


def told_apart_of(job: Job, made: Dataset, trained: dict[str, Path | None], make: Make) -> dict[str, Path | None]:
    """Measure instruction retrieval; return its results as inputs `told_apart_LABEL`."""
    told = {}
    for label, editor in measured_editors(job, trained):
        name = folder_label(job.config.preset, label)
        told[TOLD_APART + label] = make("told_apart", name, job.config.told_apart, editor=editor, shards=made.shards)
    return told


def folder_label(preset: str, label: str) -> str:
    """Return the label of an editor's artifacts, such as demo-finetuned-seed1; for EditAction alone: demo."""
    return preset if label == EDITACTION else f"{preset}-{label.replace(SEED, '-seed')}"


def main_editor(labels: Iterable[str]) -> str:
    """Return the main editor of a report: EditAction, or without it the first by name, as in the score table."""
    return min(labels, key=lambda label: (editor_of(label)[0] != EDITACTION, editor_of(label)))


Inputs = dict[str, Path | None]


def edits_of(job: Job, made: Dataset, trained: Inputs, make: Make) -> tuple[Inputs, Inputs]:
    """Editors + test shards -> the edits of each, and of the untouched start, as the inputs `edits_LABEL`.

    And, where they are asked for, their timings as `timing_LABEL`.
    """
    preset, edits, timings = job.config.preset, {}, {}
    for label, editor in measured_editors(job, trained):
        name = f"{preset}-{label.replace(SEED, '-seed')}"
        edits[EDITS + label] = make("edits", name, job.config.edits, editor=editor, shards=made.shards)
        if "verdicts" in job.request.measure:
            judged = edits[EDITS + label]
            make("verdicts", name, VerdictsConfig(), edits=judged, shards=made.shards, kitchen=made.kitchen)
        if "timing" in job.request.measure:
            timed = TimingConfig(method="instruct_pix2pix", settings=job.config.edits.sampling)
            timings[TIMING + label] = make("timing", name, timed, editor=editor, shards=made.shards)
    for name, place in job.request.edits.items():
        from tasks.imports.pictures import outside_pictures  # imports numpy, which `--help` does not wait for

        made_there = outside_pictures(Path(place))
        edits[EDITS + name] = make(
            "edits", f"{preset}-{name}", MadeElsewhereConfig(), editor=made_there, shards=made.shards
        )
    for name in job.editors:
        config, start = other_editor(job, name)
        edits[EDITS + name] = make("edits", f"{preset}-{name}", config, editor=start, shards=made.shards)
        if "timing" in job.request.measure:
            # One picture per item: most of these methods take minutes for one.
            timed = TimingConfig(method=config.method, settings=config.settings, batch_sizes=(1,))
            timings[TIMING + name] = make("timing", f"{preset}-{name}", timed, editor=start, shards=made.shards)
    return edits, timings


def other_editor(job: Job, name: str) -> tuple[MethodEditsConfig, Outside]:
    """Return how an editor that is not trained here edits, and its start: a text-to-image method, or a pipeline."""
    texts, edits = job.config.text_editors, job.config.edits
    if name in METHOD_CONFIGS:
        config = MethodEditsConfig(
            method=name,
            settings=getattr(texts, name),
            seeds=edits.seeds,
            limit=texts.limit,
            captions=read_captions(texts.captions),
        )
        return config, outside_start(texts.start, "text_editors.start")
    given = job.config.editors[name]
    settings = PipelineConfig(
        size_px=given.size_px or edits.sampling.size_px, precision=given.precision, options=given.arguments
    )
    config = MethodEditsConfig(method=given.class_name, settings=settings, seeds=edits.seeds, limit=texts.limit)
    return config, outside_start(given.start, f"editors.{name}.start")


def evaluation(
    job: Job,
    made: Dataset,
    trained: dict[str, Path | None],
    make: Make,
    told: dict[str, Path | None] | None = None,
    asked: dict[str, Path | None] | None = None,
) -> Path | None:
    """Editors + test shards -> edits -> scores -> report; the untouched start stands beside the editors.

    `told`: what `told_apart_of` gave; the score table has it. `asked`: the same of `forgetting_of`, for the report.
    """
    config, label = job.config, job.config.preset
    edits, timings = edits_of(job, made, trained, make)
    main = main_editor(trained)
    others = {f"editor_{name}": path for name, path in trained.items() if name != main}
    judge, start = classifier_inputs(config.classifier)
    classifier = make("classifier", label, judge, videos=made.videos, shards=made.shards, **start)
    goals = {"kitchen": made.kitchen} if made.kitchen is not None else {}
    scoring, weights = scores_inputs(config.scores)
    more = goals | (told or {}) | weights
    scores = make("scores", label, scoring, shards=made.shards, classifier=classifier, **edits, **more)
    return make(
        "report",
        label,
        config.report,
        scores=scores,
        editor=trained[main],
        segments=made.segments,
        videos=made.videos,
        frames=made.frames,
        splits=made.splits,
        shards=made.shards,
        classifier=classifier,
        **edits,
        **goals,
        **others,
        **timings,
        **(asked or {}),
    )


def _annotations(job: Job, kitchen: Path | None) -> Outside | None:
    if job.annotations is not None:
        if not job.annotations.is_file():
            return None  # not fetched yet
        return outside_annotations(job.annotations, job.config.segments.reader)
    if kitchen is None or job.config.kitchen is None:
        return None
    return outside_file(kitchen / ANNOTATIONS_OF_STYLE[job.config.kitchen.style])


def _folder(job: Job, kitchen: Path | None, segments: Path | None) -> Outside | None:
    """Return the folder of videos with the fingerprints of the needed ones, or the site that has them."""
    folder = kitchen / "videos" if kitchen is not None else job.videos
    if segments is None or (folder is None and job.request.fetch != "ranges"):
        return None
    video_ids = _video_ids(segments, Artifact.read(segments).digest)
    if job.request.fetch == "ranges":
        return outside_site(job.site, video_ids)
    assert folder is not None
    if job.request.fetch == "download":
        return downloads_folder(folder, job.site, video_ids, job.workspace)
    return outside_folder(folder, video_ids, job.workspace)


@lru_cache(maxsize=4)
def _video_ids(segments: Path, digest: str) -> frozenset[str]:
    """Return the ids of the videos that the segments name. The artifact is read once in a process."""
    return frozenset(record["video_id"] for record in Artifact.read(segments).records())
