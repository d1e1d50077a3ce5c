"""MPII Cooking 2 annotations (MATLAB v7.3 .mat, which is HDF5) -> segments. The paper's LC.

A cell may hold text, nothing, or further cells. Text is UTF-16 in a column of numbers; nothing is two zeros with an
attribute. The frame numbers count the frames of the videos themselves, so they are used, not the times (the videos are
AVI). Source:
https://www.mpi-inf.mpg.de/departments/computer-vision-and-machine-learning/research/human-activity-recognition/mpii-cooking-2-dataset,
Rohrbach et al., IJCV 2016.
"""

import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from modeling.sheets import MAX_ROWS
from tasks.annotations.hdf5_checks import DAMAGED, MAX_CELL, MAX_NUMBERS, Budget, check_stored, own_member
from tasks.annotations.segment import Annotations, Segment, has_good_times, is_safe_video_id, segment_id_of

TEXT_FIELDS = ("activity", "fileName", "tool", "ingredients", "containers", "containersSource", "containersDestination")
NUMBER_FIELDS = ("startFrame", "endFrame", "startTimeSeconds", "endTimeSeconds", "subject")
PAPER_COUNTS = {
    "pairs": 13_766,
    "num_actions": 61,
    "with_start_point": 9_153,
    "with_end_point": 4_695,
    "with_neither": 4_003,
}
"""Computed from the paper's percentages of 13 766 pairs."""


def read_cell(file: h5py.h5f.FileID, reference: h5py.Reference, budget: Budget, depth: int = 0) -> list[str]:
    """Return the texts that a MATLAB cell holds: none, one, or those of the cells in it.

    By h5py's low-level calls, which take a third of the time of the others: there are 100 000 cells.
    """
    content = h5py.h5r.dereference(reference, file) if reference else None
    if not isinstance(content, h5py.h5d.DatasetID) or 0 in content.shape:
        return []
    check_stored(content, MAX_CELL)
    budget.spend(math.prod(content.shape), depth)
    values = np.empty(content.shape, content.dtype)
    content.read(h5py.h5s.ALL, h5py.h5s.ALL, values)
    if content.dtype == h5py.ref_dtype:
        texts: list[str] = []
        for inner in values.ravel():
            texts += read_cell(file, inner, budget, depth + 1)
        return texts
    # An empty array is stored as its two or more dimensions, in 64 bits, with the attribute MATLAB_empty.
    if content.dtype.kind not in "ui" or content.dtype.itemsize == 8:
        return []
    # HDF5 turns MATLAB's axes round: a line of text is a column, and a char array of several lines has several.
    lines = values.reshape(len(values), -1).T.astype("<u2")
    decoded = (line.tobytes().decode("utf-16-le", errors="replace").strip("\0 \t\r\n") for line in lines)
    return [text for text in decoded if text]


def _texts_in(file: h5py.File, reference: h5py.Reference, budget: Budget) -> list[str]:
    budget.begin_cell()
    return read_cell(file.id, reference, budget)


def read_numbers(file: h5py.File, column: h5py.Dataset) -> np.ndarray:
    """Return a column of numbers, float64 [N]: an array, or cells of one number each; NaN where a cell has none."""
    values = column[()].ravel()
    if column.dtype != h5py.ref_dtype:
        return values.astype(np.float64)
    for value in values:
        if value:
            check_stored(h5py.h5r.dereference(value, file.id), MAX_NUMBERS)
    cells = [np.asarray(file[value][()], np.float64).ravel()[:1] if value else np.empty(0) for value in values]
    empty = [bool(value) and "MATLAB_empty" in file[value].attrs for value in values]
    return np.array([np.nan if gone or not len(cell) else cell[0] for cell, gone in zip(cells, empty, strict=True)])


def instruction_of(activity: str, named: str, source: str, destination: str) -> str:
    """Return `{activity} {object} [from {source}] [to {destination}]`; activities carry a suffix V.

    >>> instruction_of("take outV", "bottle", "fridge", "")
    'take out bottle from fridge'
    >>> instruction_of("moveV", "pan", "counter", "stove")
    'move pan from counter to stove'
    """
    parts = [verb_of(activity), named, source and f"from {source}", destination and f"to {destination}"]
    return " ".join(part for part in parts if part)


def verb_of(activity: str) -> str:
    """Return an activity without its suffix: "take outV" -> "take out"."""
    return activity.removesuffix("V").strip()


def object_of(row: dict[str, list[str]]) -> tuple[str, str]:
    """Return the object of an action and its field: ingredients, else containers, else a tool that is no hand.

    >>> object_of({"ingredients": [], "containers": ["pan", "lid"], "tool": ["hand"]})
    ('pan and lid', 'containers')
    >>> object_of({"ingredients": [], "containers": [], "tool": ["hand"]})
    ('', 'none')
    """
    tools = [tool for tool in row["tool"] if tool.lower() not in ("hand", "hands")]
    for field, names in (("ingredients", row["ingredients"]), ("containers", row["containers"]), ("tool", tools)):
        if names:
            return " and ".join(names), field
    return "", "none"


def read_mpii(path: Path, frame_origin: int) -> Annotations:
    """Read the annotations; `frame_origin` is the number of a video's first frame.

    Rows without an object are filtered (no_object); unsafe_video_id, no_activity and bad_times fail. ValueError when
    the file is no such .mat.
    """
    annotations = Annotations(funnel={"rows": 0, "with_object": 0, "with_times": 0})
    object_from: Counter[str] = Counter()
    for number, (texts, numbers) in enumerate(_rows(path), start=1):
        annotations.funnel["rows"] += 1
        named, field = object_of(texts)
        object_from[field] += 1
        outcome = _segment(number, texts, numbers, named, frame_origin)
        annotations.funnel["with_object"] += bool(named)
        if isinstance(outcome, Segment):
            annotations.funnel["with_times"] += 1
            annotations.segments.append(outcome)
            continue
        what = {"video_id": " ".join(texts["fileName"]), "activity": " ".join(texts["activity"])}
        if outcome == "no_object":
            annotations.reject(number, "filtered", outcome, **what)
            continue
        message = _message(path, number, what, numbers, outcome)
        annotations.reject(number, "failed", outcome, **what, message=message)
    annotations.facts = _facts(annotations.segments, object_from)
    return annotations


def _message(path: Path, number: int, what: dict[str, str], numbers: dict[str, float], reason: str) -> str:
    """Return a message with a failed interval's place, its value, and the remedy."""
    times = ", ".join(f"{numbers[name]:g}" for name in NUMBER_FIELDS[:4])
    field, value, remedy = {
        "unsafe_video_id": ("fileName", what["video_id"], "Name a file of the videos' folder."),
        "no_activity": ("activity", what["activity"], "Say what is done."),
    }.get(
        reason,
        (
            ", ".join(NUMBER_FIELDS[:4]),
            times,
            "The start comes before the end, and frames are whole numbers from segments.mpii_frame_origin on.",
        ),
    )
    return f"{path.name}: interval {number}, annos/{field}: {value[:80]!r} cannot be used. {remedy}"


def _rows(path: Path) -> Iterator[tuple[dict[str, list[str]], dict[str, float]]]:
    """Yield the texts and numbers of each interval."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ValueError(
            f"{path}: not a MATLAB v7.3 file ({error}). Give attributesAnnotations_MPII-Cooking-2.mat."
        ) from error
    try:
        with file:
            yield from _rows_of(file, path)
    except DAMAGED as error:
        raise ValueError(
            f"{path}: damaged, or not to be read ({type(error).__name__}: {error}). Fetch it anew."
        ) from error


def _rows_of(file: h5py.File, path: Path) -> Iterator[tuple[dict[str, list[str]], dict[str, float]]]:
    annos = own_member(file, "annos")
    missing = [
        name for name in (*TEXT_FIELDS, *NUMBER_FIELDS) if not isinstance(annos, h5py.Group) or name not in annos
    ]
    if missing:
        raise ValueError(f"there is no annos/{missing[0]} in {path.name}")
    columns = {name: own_member(annos, name) for name in (*TEXT_FIELDS, *NUMBER_FIELDS)}
    for name, column in columns.items():
        if not isinstance(column, h5py.Dataset):
            raise ValueError(f"annos/{name} is no column")
        check_stored(column.id, MAX_ROWS)
    cells = {name: columns[name][()].ravel() for name in TEXT_FIELDS}
    numbers = {name: read_numbers(file, columns[name]) for name in NUMBER_FIELDS}
    lengths = {name: len(column) for name, column in (cells | numbers).items()}
    if len(set(lengths.values())) != 1:
        raise ValueError(f"the columns of annos differ in length ({lengths})")
    budget = Budget(path.stat().st_size)
    for place in range(lengths["activity"]):
        texts = {name: _texts_in(file, column[place], budget) for name, column in cells.items()}
        yield texts, {name: float(column[place]) for name, column in numbers.items()}


def _segment(
    number: int, texts: dict[str, list[str]], numbers: dict[str, float], named: str, frame_origin: int
) -> Segment | str:
    """Return the segment of interval `number`, or the reason there is none."""
    video_id = " ".join(texts["fileName"])
    activity = " ".join(texts["activity"])
    if not is_safe_video_id(video_id):
        return "unsafe_video_id"
    if not verb_of(activity):
        return "no_activity"
    if not named:
        return "no_object"
    start, stop = numbers["startFrame"] - frame_origin, numbers["endFrame"] - frame_origin
    times = numbers["startTimeSeconds"], numbers["endTimeSeconds"]
    if not has_good_times(start, stop) or not has_good_times(*times) or start % 1 or stop % 1:
        return "bad_times"
    source, destination = (" and ".join(texts[name]) for name in ("containersSource", "containersDestination"))
    subject = numbers["subject"]
    return Segment(
        segment_id=segment_id_of(video_id, f"{number:06d}"),
        video_id=video_id,
        start_s=times[0],
        stop_s=times[1],
        start_frame=int(start),
        stop_frame=int(stop),
        instruction=instruction_of(activity, named, source, destination),
        verb=verb_of(activity),
        object=named,
        start_point=source,
        end_point=destination,
        group=f"s{int(subject):02d}" if math.isfinite(subject) else video_id,
    )


def _facts(segments: list[Segment], object_from: Counter[str]) -> dict[str, Any]:
    """Count the figures that the paper states for LC."""
    counts = {
        "pairs": len(segments),
        "num_actions": len({segment.verb.split()[0] for segment in segments}),
        "with_start_point": sum(bool(segment.start_point) for segment in segments),
        "with_end_point": sum(bool(segment.end_point) for segment in segments),
        "with_neither": sum(not segment.start_point and not segment.end_point for segment in segments),
    }
    return {"counts": counts, "paper_counts": PAPER_COUNTS, "object_from": dict(sorted(object_from.items()))}
