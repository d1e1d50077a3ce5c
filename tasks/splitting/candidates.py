"""The newest frames (and splits) of a workspace -> candidates for the long-distance set, as a CSV or a page to tick.

This is no stage: only a person reads its output, and returns a choice (long_distance.py).
"""

from collections.abc import Sequence
from pathlib import Path

from evaluation.pages.contact_sheet import ContactSheet, ShownCandidate, render_contact_sheet
from modeling.atomic import write_bytes
from modeling.data.images import read_image
from tasks.artifacts.artifact import Artifact, Record, artifacts_of, made_from
from tasks.cutting.pixels import MIN_CAMERA_SHIFT
from tasks.splitting.assignment import is_long_distance
from tasks.splitting.long_distance import candidates_csv, rank_candidates

SUFFIXES = (".html", ".csv")
DOUBTFUL = 0.05
"""Certainty of the camera's shift below which a candidate is marked: of made pairs half of the wrong answers are, and
one right answer in twenty (RESULTS.md)."""


def newest_frames(workspace: Path) -> Artifact:
    """Return the newest frames of a workspace; ValueError when there are none."""
    frames = artifacts_of(workspace, "frames")[-1:]
    if not frames:
        raise ValueError(f"{workspace} has no finished frames yet; run the main job with --until frames first.")
    return frames[0]


def find_candidates(frames: Artifact, splits: Artifact | None) -> list[Record]:
    """Return the candidates in order of rank, without pairs that the splits already test or filtered for quality.

    Without splits no random test set is drawn yet, and all pairs with an end point and a moved view are candidates.
    """
    rows = list(frames.records())
    if splits is None:
        return rank_candidates(rows, {})
    poor = {row["segment_id"] for row in splits.rejected() if not row["reason"].endswith("_test")}
    assigned = {row["segment_id"]: row["split"] for row in splits.records()}
    return rank_candidates([row for row in rows if row["segment_id"] not in poor], assigned)


def why_none(frames: Artifact, splits: Artifact | None) -> str:
    """Return why there are no candidates: no end points, a still camera, or all of them are taken."""
    rows = list(frames.records())
    ended = [row for row in rows if row["end_point"]]
    moved = [row for row in ended if is_long_distance(row)]
    text = f"there are no candidates among {len(rows)} pairs:"
    if not ended:
        return f"{text} no instruction names an end point, such as 'put cup on table' (column end_point of a table)."
    if not moved:
        furthest = max(row["camera_shift"] for row in ended)
        return (
            f"{text} {len(ended)} name an end point, but in none the view moved by {MIN_CAMERA_SHIFT:.0%} of the side "
            f"(at most {furthest:.1%}); before a fixed camera there is no long-distance set."
        )
    taken = "in the random test set, in validation or filtered" if splits is not None else "left out"
    return f"{text} the {len(moved)} that name an end point and whose view moved are {taken}; lower splits.num_test."


def contact_sheet(frames: Artifact, candidates: Sequence[Record], num_wanted: int, limit: int) -> str:
    """Return the page that shows the first `limit` candidates."""
    shown = [
        ShownCandidate(
            **{name: row[name] for name in ("segment_id", "rank", "camera_shift", "instruction", "end_point")},
            is_doubtful=row.get("camera_certainty", 1.0) < DOUBTFUL,
            source=read_image(frames.file(row["source_image"])),
            edited=read_image(frames.file(row["edited_image"])),
        )
        for row in candidates[:limit]
    ]
    title = f"Candidates for {f'long{num_wanted}' if num_wanted else 'the long-distance set'}"
    sheet = ContactSheet(title=title, num_wanted=num_wanted, num_candidates=len(candidates), candidates=shown)
    return render_contact_sheet(sheet)


def write_candidates(workspace: Path, out: Path, limit: int) -> int:
    """Write the candidates to `out` (.html with the first `limit`, .csv with all); return their number."""
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{out}: candidates are written as {' or '.join(SUFFIXES)}; name the file so.")
    frames = newest_frames(workspace)
    splits = next(iter(made_from(artifacts_of(workspace, "splits"), "frames", frames)[-1:]), None)
    candidates = find_candidates(frames, splits)
    if not candidates:
        raise ValueError(f"{frames.path}: {why_none(frames, splits)} Nothing was written.")
    num_wanted = splits.manifest["config"]["num_long_distance"] if splits is not None else 0
    page = out.suffix.lower() == ".html"
    text = contact_sheet(frames, candidates, num_wanted, limit) if page else candidates_csv(candidates)
    write_bytes(out, text.encode())
    return len(candidates)
