"""Candidates for the long-distance test set, and the file with a person's choice.

The paper chose its 100 pairs by hand: actions after which the head camera looks at another place, the end point. Here
pairs that name an end point are ranked by the shift of their view, and a person ticks the right ones.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modeling.sheets import plain_cell, safe_cell, safe_cells, strict_dicts
from tasks.artifacts.artifact import Record
from tasks.splitting.assignment import is_long_distance

COLUMNS = (
    *("chosen", "segment_id", "rank", "camera_shift", "camera_certainty", "instruction", "end_point"),
    *("video_id", "start_s", "stop_s"),
)
"""Columns of a table of candidates; `chosen` is empty, for a person to mark."""
MARKS = frozenset({"1", "x", "y", "yes", "true"})
"""Values of the column `chosen` that count as a mark."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The long-distance set that a person chose."""

    segment_ids: tuple[str, ...]
    """Ids in the order of the file."""
    chosen_by: str
    """The person who chose, in their own words; "" when not given."""
    how: str
    """The person's own words on how they chose; "" when not given."""


def rank_candidates(rows: Iterable[Record], splits: Mapping[str, str]) -> list[Record]:
    """Return the pairs that can be chosen, the largest shift first, with `rank` from 1.

    These are pairs with an end point and a moved view that are in no random test set and not in validation.
    """
    taken = {segment_id for segment_id, split in splits.items() if split.startswith("test") or split == "validation"}
    candidates = [row for row in rows if row["segment_id"] not in taken and is_long_distance(row)]
    candidates.sort(key=lambda row: (-row["camera_shift"], row["segment_id"]))
    return [row | {"rank": rank} for rank, row in enumerate(candidates, start=1)]


def candidates_csv(candidates: Sequence[Record]) -> str:
    """Return the candidates as a CSV with COLUMNS and a column `chosen_by`."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, "chosen_by"], restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(safe_cells, candidates))
    return text.getvalue()


def choice_csv(choice: Choice) -> str:
    """Return a choice as the CSV that `read_choice` reads."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["segment_id", "chosen_by", "how"])
    writer.writerows(map(safe_cell, (segment_id, choice.chosen_by, choice.how)) for segment_id in choice.segment_ids)
    return text.getvalue()


def read_choice(path: Path) -> Choice:
    """Read a CSV with a column `segment_id` and, if wanted, `chosen`, `chosen_by` and `how`.

    With a column `chosen` only the marked rows count. ValueError, which names file and row, for what is no such table,
    chooses nothing, or names a segment twice.
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            columns, dicts = strict_dicts(file, path)
            rows = [{name: plain_cell(row.get(name, "").strip()) for name in columns} for row in dicts]
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path}: not a CSV file in UTF-8 ({error}).") from error
    if "segment_id" not in columns:
        raise ValueError(
            f"{path}: column 'segment_id' is missing. `editaction candidates --out FILE.csv` writes such a table."
        )
    marked = {
        number: row
        for number, row in enumerate(rows, start=1)
        if row["segment_id"] and ("chosen" not in columns or row["chosen"].lower() in MARKS)
    }
    if not marked:
        raise ValueError(f"{path}: no segment is chosen. Write x into the column `chosen`, or keep only chosen rows.")
    first_row: dict[str, int] = {}
    for number, row in marked.items():
        first = first_row.setdefault(row["segment_id"], number)
        if first != number:
            raise ValueError(f"{path}: row {number} names {row['segment_id']} again, after row {first}. Remove one.")
    return Choice(
        segment_ids=tuple(first_row),
        chosen_by="; ".join(sorted({row.get("chosen_by", "") for row in marked.values()} - {""})),
        how="; ".join(sorted({row.get("how", "") for row in marked.values()} - {""})),
    )


def check_choice(choice: Choice, where: str, rows: Iterable[Record], left_out: Mapping[str, str]) -> None:
    """Raise ValueError when a chosen segment is no pair of `rows`; `left_out`: reason of those filtered before."""
    known = {row["segment_id"] for row in rows}
    unknown = [segment_id for segment_id in choice.segment_ids if segment_id not in known]
    if unknown:
        listed = ", ".join(
            f"{segment_id} ({left_out[segment_id]})" if segment_id in left_out else segment_id
            for segment_id in unknown[:5]
        ) + (", ..." if len(unknown) > 5 else "")
        raise ValueError(
            f"{where}: {len(unknown)} of {len(choice.segment_ids)} chosen segments are no pairs here: {listed}. "
            "Choose among those of `editaction candidates`."
        )
