"""Test pairs -> rated pairs, divided into forms, and the pairs for the control "another pair's edit". Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evaluation.human_study.survey import control_places, parts_of_equal_size
from tasks.artifacts.artifact import Record
from tasks.artifacts.keyed_hash import in_hash_order
from tasks.config import SurveyConfig


def choose_rows(
    rows: Sequence[Record], edited: Mapping[str, Mapping[str, object]], config: SurveyConfig
) -> tuple[list[Record], list[Record]]:
    """Return the rated rows, split by split, in the order of a hash, and the others with their reason."""
    chosen: list[Record] = []
    rejected: list[Record] = []
    by_split: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        if all(row["segment_id"] in files for files in edited.values()):
            by_split[row["split"]].append(row)
        else:
            rejected.append(_left_out(row, "not_edited_by_all"))
    for split in sorted(by_split):
        places = {row["segment_id"]: row for row in by_split[split]}
        ordered = [places[segment_id] for segment_id in in_hash_order(config.seed, list(places))]
        chosen += ordered[: config.num_items]
        rejected += [_left_out(row, "beyond_num_items") for row in ordered[config.num_items :]]
    return chosen, rejected


def _left_out(row: Record, reason: str) -> Record:
    return {"segment_id": row["segment_id"], "split": row["split"], "status": "filtered", "reason": reason}


def another_row(row: Record, rows: Sequence[Record], config: SurveyConfig) -> Record:
    """Return the pair whose edit is shown as this pair's control: of another video and instruction if possible."""
    others = [other for other in rows if other["segment_id"] != row["segment_id"]]
    for wanted in (
        lambda other: other["video_id"] != row["video_id"] and other["instruction"] != row["instruction"],
        lambda other: other["instruction"] != row["instruction"],
        lambda other: True,
    ):
        if fitting := [other for other in others if wanted(other)]:
            first = in_hash_order(config.seed, [other["segment_id"] for other in fitting])[0]
            return next(other for other in fitting if other["segment_id"] == first)
    raise ValueError("One pair alone cannot be rated with the control that shows another pair's edit.")


@dataclass(frozen=True, kw_only=True)
class Part:
    """One form: its rows and the kinds of control by their places."""

    name: str
    rows: Sequence[Record]
    controls: Mapping[int, str]


def parts_of(rows: Sequence[Record], config: SurveyConfig) -> list[Part]:
    """Divide the rows into forms of one split each, so that every rater gets one set of questions."""
    by_split: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        by_split[row["split"]].append(row)
    chunks = [
        [part[place] for place in places]
        for part in by_split.values()
        for places in parts_of_equal_size(len(part), config.items_per_form)
    ]
    return [
        Part(
            name=f"form-{number:02d}",
            rows=chunk,
            controls=control_places(len(chunk), min(config.num_controls, len(chunk))),
        )
        for number, chunk in enumerate(chunks, start=1)
    ]
