"""annotations -> segments.parquet and records: the labelled actions of any of the formats, one record each."""

from collections.abc import Sequence
from dataclasses import asdict

from tasks.annotations.epic import read_epic
from tasks.annotations.lerobot import read_lerobot
from tasks.annotations.mpii import read_mpii
from tasks.annotations.pair_list import read_as_annotations
from tasks.annotations.segment import Annotations, mark_overlaps, write_segments
from tasks.annotations.table import read_table
from tasks.artifacts.artifact import Outside
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import SegmentsConfig


def read_annotations(annotations: Outside, config: SegmentsConfig, more: Sequence[Outside] = ()) -> Annotations:
    """Read annotation files by the config's reader. ValueError when a file is missing or has another format."""
    paths = [file.path for file in (annotations, *more)]
    for path in paths:
        if not path.is_file():
            raise ValueError(f"{path}: there is no such annotation file. Give one with --annotations.")
    if config.reader == "epic":
        return read_epic(paths[0], config.epic_subset, paths[1:])
    if more:
        raise ValueError(f"{paths[1]}: only EPIC-KITCHENS has several annotation files; give one.")
    if config.reader == "mpii":
        return read_mpii(paths[0], config.mpii_frame_origin)
    if config.reader == "pairs":
        return read_as_annotations(paths[0])
    if config.reader == "lerobot":
        return read_lerobot(paths[0], config.lerobot_cameras)
    return read_table(paths[0])


@stage
def segments(work: Work, config: SegmentsConfig, *, annotations: Outside, **more: Outside) -> None:
    """Read the annotations into segments; every other row is filtered or failed with its reason.

    `more`: further annotation files, in the order of their names.
    """
    work.progress(0, 1)
    annotated = read_annotations(annotations, config, [more[name] for name in sorted(more)])
    # A list of pairs does not have the segments without a pair, which may overlap others: it records the overlaps
    # itself.
    kept = annotated.segments if config.reader == "pairs" else mark_overlaps(annotated.segments)
    write_segments(work.path / "segments.parquet", kept)
    work.funnel = annotated.funnel
    work.facts = annotated.facts
    work.write_rows((asdict(segment) for segment in kept), annotated.rejected)
    work.progress(1, 1)
