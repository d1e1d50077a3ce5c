"""The main job, stage by stage, as in the paper's figure: the one place where stages are wired together.

The wiring is written against `make`, so that the same lines run the stages (as Prefect tasks, or plainly) and plan
them: `make(stage, label, config, **inputs)` gives the artifact's folder, or None when it is only planned.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from flows.wiring.job import Job, outside_file, outside_start
from modeling.presets import EDITACTION, method
from tasks.artifacts.artifact import Artifact, Outside
from tasks.fetching.checked_files import downloads_folder
from tasks.fetching.video_files import outside_folder, outside_site

ANNOTATIONS_OF_STYLE = {"mpii": "annotations.mat", "epic": "annotations.csv"}

Place = Path | Outside | None
"""An input of a stage: an artifact's folder, something from outside, or not known yet (in a plan)."""


class Make(Protocol):
    """Runs or plans one stage."""

    def __call__(self, stage: str, label: str, config: object, **inputs: Place) -> Path | None: ...


class Reached(Exception):
    """The last stage that was asked for is done."""


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
    """Return `make` that raises Reached when all of stage `until` is done, however many of it there are."""
    is_reached = False

    def made(stage: str, label: str, config: object, **inputs: Place) -> Path | None:
        nonlocal is_reached
        if is_reached and stage != until:
            raise Reached
        is_reached |= stage == until
        return make(stage, label, config, **inputs)

    return made


def dataset(job: Job, make: Make) -> Dataset:
    """Annotations + videos -> segments -> frame pairs -> splits -> shards."""
    config, label = job.config, job.config.preset
    kitchen = make("kitchen", label, config.kitchen) if config.kitchen is not None else None
    more = {f"annotations_{place:03d}": outside_file(each) for place, each in enumerate(job.more_annotations, 2)}
    segments = make("segments", label, config.segments, annotations=_annotations(job, kitchen), **more)
    videos = make("videos", label, config.videos, segments=segments, folder=_folder(job, kitchen, segments))
    frames = make("frames", label, config.frames, segments=segments, videos=videos)
    given = {"recorded": _annotations(job, kitchen)} if config.segments.reader == "pairs" else {}
    if job.long_distance is not None:
        given["long_distance"] = outside_file(job.long_distance)
    splits = make("splits", label, config.splits, frames=frames, **given)
    make("dataset", label, config.dataset, segments=segments, videos=videos, frames=frames, splits=splits)
    shards = make("shards", label, config.shards, frames=frames, splits=splits)
    return Dataset(kitchen=kitchen, segments=segments, videos=videos, frames=frames, splits=splits, shards=shards)


def editors(job: Job, made: Dataset, make: Make) -> dict[str, Path | None]:
    """Shards + start -> the fine-tuned editor of each method."""
    config, start = job.config, outside_start(job.config.start)
    made_by = {}
    for name in job.methods:
        label = config.preset if name == EDITACTION else f"{config.preset}-{name}"
        training = replace(config.editor, objective=method(name, config.editor.objective))
        made_by[name] = make("editor", label, training, shards=made.shards, start=start)
    return made_by


def main_method(methods: Iterable[str]) -> str:
    """Return the method that a report is about: EditAction, else the first by name, as score tables order them."""
    return min(methods, key=lambda name: (name != EDITACTION, name))


def evaluation(job: Job, made: Dataset, trained: dict[str, Path | None], make: Make) -> Path | None:
    """Editors + test shards -> edits -> scores -> report; the untouched start stands beside the editors."""
    config, label = job.config, job.config.preset
    start = outside_start(config.start)
    edits = {
        f"edits_{name}": make("edits", f"{label}-{name}", config.edits, editor=path, shards=made.shards)
        for name, path in trained.items()
    }
    main = main_method(trained)
    others = {f"editor_{name}": path for name, path in trained.items() if name != main}
    edits["edits_start"] = make("edits", f"{label}-start", config.edits, editor=start, shards=made.shards)
    classifier = make("classifier", label, config.classifier, videos=made.videos, shards=made.shards)
    goals = {"kitchen": made.kitchen} if made.kitchen is not None else {}
    scores = make("scores", label, config.scores, shards=made.shards, classifier=classifier, **edits, **goals)
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
    )


def _annotations(job: Job, kitchen: Path | None) -> Outside | None:
    if job.annotations is not None:
        return outside_file(job.annotations) if job.annotations.is_file() else None  # to be fetched yet
    if kitchen is None or job.config.kitchen is None:
        return None
    return outside_file(kitchen / ANNOTATIONS_OF_STYLE[job.config.kitchen.style])


def _folder(job: Job, kitchen: Path | None, segments: Path | None) -> Outside | None:
    """The folder of videos, by the fingerprints of those that the segments need, or where they are fetched from."""
    folder = kitchen / "videos" if kitchen is not None else job.videos
    if segments is None or (folder is None and job.fetch != "ranges"):
        return None
    video_ids = {record["video_id"] for record in Artifact.read(segments).records()}
    if job.fetch == "ranges":
        return outside_site(job.site, video_ids)
    assert folder is not None
    if job.fetch == "download":
        return downloads_folder(folder, job.site, video_ids, job.workspace)
    return outside_folder(folder, video_ids, job.workspace)
