"""annotations -> segments.parquet and records: the labelled actions of any of the formats, one record each."""

from dataclasses import asdict

from tasks.artifacts import Outside, Work
from tasks.config import SegmentsConfig
from tasks.epic import read_epic
from tasks.mpii import read_mpii
from tasks.pair_list import read_as_annotations
from tasks.segment import Annotations, mark_overlaps, write_segments
from tasks.stage import stage
from tasks.table import read_table


def read_annotations(annotations: Outside, config: SegmentsConfig) -> Annotations:
    """Read an annotation file by the config's reader. ValueError when there is none, or it is of another format."""
    path = annotations.path
    if not path.is_file():
        raise ValueError(f"{path}: there is no such annotation file. Give one with --annotations.")
    if config.reader == "epic":
        return read_epic(path, config.epic_subset)
    if config.reader == "mpii":
        return read_mpii(path, config.mpii_frame_origin)
    if config.reader == "pairs":
        return read_as_annotations(path)
    return read_table(path)


@stage
def segments(work: Work, config: SegmentsConfig, *, annotations: Outside) -> None:
    """Read the annotations into segments; every other row is filtered or failed with its reason."""
    work.progress(0, 1)
    found = read_annotations(annotations, config)
    # A list of pairs lacks the segments that gave none, which others may have overlapped: it says itself which do.
    kept = found.segments if config.reader == "pairs" else mark_overlaps(found.segments)
    write_segments(work.path / "segments.parquet", kept)
    work.funnel = found.funnel
    work.facts = found.facts
    work.write_rows((asdict(segment) for segment in kept), found.rejected)
    work.progress(1, 1)
