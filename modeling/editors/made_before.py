"""A folder or a CSV of pictures that any other system made -> which picture belongs to which pair and seed.

Folder: SEED/SEGMENT_ID.png, or SEGMENT_ID.png for one seed; png, jpg, jpeg, webp or bmp. CSV, of any separator:
columns segment_id and picture, and seed where there are several; pictures lie relative to the CSV. A pair that lacks a
picture under any seed, or whose picture is not square as the inputs are, or smaller than they are, is left out with a
reason; every pair ends in exactly one place. Larger pictures are squashed to the inputs' size.
"""

import io
import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from modeling.data.images import Picture, read_image
from modeling.sheets import MAX_SEED_DIGITS, check_table, strict_dicts
from modeling.visible import visible

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")
_WHOLE = re.compile(r"\.0*$")
"""The end of a whole number in a column that pandas keeps as floats."""


@dataclass(frozen=True, kw_only=True)
class MadeElsewhere:
    """The pictures of one system for the pairs of a split."""

    by_seed: Mapping[int, Mapping[str, Path]]
    """Seed -> segment_id -> a file that can be read; the same segments under every seed."""
    reasons: Mapping[str, str]
    """Segment that is left out -> why."""

    @property
    def counts(self) -> dict[str, int]:
        """How many pairs are left out, by reason."""
        return dict(Counter(self.reasons.values()))


def files_of(source: Path) -> dict[tuple[int, str], Path]:
    """Return the picture of each seed and segment; ValueError for a source that has none."""
    if source.is_dir():
        files = _of_folder(source)
    elif source.is_file():
        files = _of_csv(source)
    else:
        raise ValueError(f"There is no folder or CSV {source} with edited pictures.")
    if not files:
        raise ValueError(
            f"{source} holds no pictures named SEED/SEGMENT_ID.png or SEGMENT_ID.png ({', '.join(SUFFIXES)} are read)."
        )
    return files


def _of_folder(folder: Path) -> dict[tuple[int, str], Path]:
    files: dict[tuple[int, str], Path] = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        # "._0001.png" is no picture but what macOS keeps of one beside it.
        if path.suffix.lower() not in SUFFIXES or path.name.startswith(".") or not path.is_file():
            continue
        parts = relative.with_suffix("").as_posix()
        head, _, rest = parts.partition("/")
        place = (int(head), rest) if rest and _is_seed(head) else (0, parts)
        if place in files:
            other = files[place].relative_to(folder)
            raise ValueError(f"{folder}: {other} and {relative} are both of {place[1]}, seed {place[0]}. Remove one.")
        files[place] = path
    return files


def _of_csv(path: Path) -> dict[tuple[int, str], Path]:
    check_table(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 ({error.reason} at byte {error.start}). Save it as UTF-8.") from error
    with io.StringIO(text, newline="") as file:
        columns, rows = strict_dicts(file, path)
        lacking = {"segment_id", "picture"} - {column.lower() for column in columns}
        if lacking:
            there = ", ".join(map(visible, columns))[:200]
            raise ValueError(
                f"{path} lacks the column {min(lacking)}; it wants segment_id, picture and maybe seed, and has {there}."
            )
        files: dict[tuple[int, str], Path] = {}
        for number, cells in enumerate(rows, 1):
            row = {name.lower(): cell.strip() for name, cell in cells.items()}
            if not any(row.values()):
                continue
            seed = _WHOLE.sub("", row.get("seed", "") or "0")
            if not _is_seed(seed) or not row["segment_id"] or not row["picture"] or (row.get("") and "" not in columns):
                raise ValueError(
                    f"{path}, row {number}: wants a segment_id, a picture, a seed of up to {MAX_SEED_DIGITS} digits "
                    "where there are several, and no more cells than the header."
                )
            place = int(seed), row["segment_id"]
            if place in files:
                raise ValueError(f"{path}, row {number}: {place[1]!r:.80} with seed {seed} is there twice. Remove one.")
            files[place] = path.parent / row["picture"]
        return files


def _is_seed(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MAX_SEED_DIGITS


def is_there(path: Path | None) -> bool:
    """Tell whether there is such a file; a name that no file can have is none."""
    try:
        return path is not None and path.is_file()
    except OSError:
        return False


def gather(files: Mapping[tuple[int, str], Path], segment_ids: Sequence[str], least_px: int) -> MadeElsewhere:
    """Look at the picture of every pair, one at a time; missing or unfit pictures are counted by reason.

    `least_px`: side of the inputs.
    """
    seeds = sorted({seed for seed, _ in files})
    by_seed: dict[int, dict[str, Path]] = {seed: {} for seed in seeds}
    reasons: dict[str, str] = {}
    for segment_id in segment_ids:
        paths = {seed: files.get((seed, segment_id)) for seed in seeds}
        looked_at = (picture_or_reason(path, least_px) for path in paths.values())
        problem = next((reason for reason in looked_at if isinstance(reason, str)), None)
        if problem is not None:
            reasons[segment_id] = problem
            continue
        for seed, path in paths.items():
            assert path is not None
            by_seed[seed][segment_id] = path
    return MadeElsewhere(by_seed=by_seed, reasons=reasons)


def picture_or_reason(path: Path | None, least_px: int) -> Picture | str:
    """Return a square picture of at least this side, or the reason that there is none."""
    if path is None or not is_there(path):
        return "edit_missing"
    try:
        picture = read_image(path)
    except (ValueError, OSError):
        return "edit_unreadable"
    if picture.shape[0] != picture.shape[1]:
        return "edit_not_square"
    return picture if len(picture) >= least_px else "edit_too_small"


def of_no_pair(files: Mapping[tuple[int, str], Path], segment_ids: Collection[str]) -> list[str]:
    """Return the segments of the pictures that are of none of these pairs, once per picture."""
    known = set(segment_ids)
    return [segment_id for _, segment_id in files if segment_id not in known]
