"""The newest frames (and splits) of a workspace -> candidates for the long-distance set, as a CSV or a page to tick.

No stage: nothing is read from what is written here but what a person makes of it (long_distance.py).
"""

from collections.abc import Sequence
from pathlib import Path

from evaluation.contact_sheet import ContactSheet, ShownCandidate, render_contact_sheet
from modeling.atomic import write_bytes
from modeling.data.images import read_image
from tasks.artifacts import Artifact, Record, artifacts_of, made_from
from tasks.long_distance import candidates_csv, rank_candidates

SUFFIXES = (".html", ".csv")


def find_candidates(workspace: Path) -> tuple[Artifact, list[Record], int]:
    """Return the newest frames, their candidates in order of rank, and how many the splits ask for (0: not known).

    ValueError when there are no frames. Without splits of these frames no random test set is drawn yet, and all pairs
    with an end point and a moved view are candidates.
    """
    frames = artifacts_of(workspace, "frames")[-1:]
    if not frames:
        raise ValueError(f"{workspace} has no finished frames yet; run the main job with --until frames first.")
    splits = made_from(artifacts_of(workspace, "splits"), "frames", frames[0])[-1:]
    assigned = {row["segment_id"]: row["split"] for each in splits for row in each.records()}
    left_out = {row["segment_id"] for each in splits for row in each.rejected() if not row["reason"].endswith("_test")}
    rows = [row for row in frames[0].records() if row["segment_id"] not in left_out]
    num_wanted = splits[0].manifest["config"]["num_long_distance"] if splits else 0
    return frames[0], rank_candidates(rows, assigned), int(num_wanted)


def contact_sheet(frames: Artifact, candidates: Sequence[Record], num_wanted: int, limit: int) -> str:
    """Return the page that shows the first `limit` candidates."""
    shown = [
        ShownCandidate(
            **{name: row[name] for name in ("segment_id", "rank", "camera_shift", "instruction", "end_point")},
            source=read_image(frames.path / row["source_image"]),
            edited=read_image(frames.path / row["edited_image"]),
        )
        for row in candidates[:limit]
    ]
    title = f"Candidates for {f'long{num_wanted}' if num_wanted else 'the long-distance set'}"
    sheet = ContactSheet(title=title, num_wanted=num_wanted, num_candidates=len(candidates), candidates=shown)
    return render_contact_sheet(sheet)


def write_candidates(workspace: Path, out: Path, limit: int) -> int:
    """Write the candidates to `out` (.html with the first `limit`, .csv with all); return how many there are."""
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"{out}: candidates are written as {' or '.join(SUFFIXES)}; name the file so.")
    frames, candidates, num_wanted = find_candidates(workspace)
    page = out.suffix.lower() == ".html"
    text = contact_sheet(frames, candidates, num_wanted, limit) if page else candidates_csv(candidates)
    write_bytes(out, text.encode())
    return len(candidates)
