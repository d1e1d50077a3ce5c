"""Acted-out videos -> annotation files in the real datasets' formats: an EPIC-100 CSV, an MPII Cooking 2 .mat.

The layouts are those of `EPIC_100_train.csv` (15 columns, frames numbered at the extension's 50 a second) and of
`attributesAnnotations_MPII-Cooking-2.mat` (MATLAB v7.3 = HDF5: cells are object references, characters uint16 columns,
frames numbered from 1). Times lie in the middle of a frame, so that rounding cannot land on its neighbour.
"""

import csv
import math
from pathlib import Path

import h5py
import numpy as np

from evaluation.kitchen.acting import RATE_FPS, ActedAction
from evaluation.kitchen.actions import preposition
from evaluation.kitchen.furniture import DOORS

EPIC_COLUMNS = (
    "narration_id", "participant_id", "video_id", "narration_timestamp", "start_timestamp", "stop_timestamp",
    "start_frame", "stop_frame", "narration", "verb", "verb_class", "noun", "noun_class", "all_nouns",
    "all_noun_classes",
)  # fmt: skip
"""The columns of EPIC_100_train.csv, in order."""
EPIC_VERB_CLASSES = {
    "take-out": 12, "put-in": 5, "put-on": 1, "move": 11, "open": 3, "close": 4, "turn-on": 6, "turn-off": 8,
}  # fmt: skip
"""EPIC-100's classes of the verbs used here."""
EPIC_NOUN_CLASSES = {
    "apple": 187, "cup": 13, "bottle": 15, "bowl": 7, "cupboard": 3, "shelf": 247, "fridge": 12, "rack": 110,
    "stove": 24, "table": 42, "sink": 63, "counter": 42, "drawer": 8, "basket": 168, "stool": 182, "bin": 36,
}  # fmt: skip
"""EPIC-100's classes of the nouns used here."""

Acted = list[tuple[str, ActedAction]]
"""Video id and action, video by video."""


def start_s(acted: ActedAction, rate_fps: float) -> float:
    """Return the time in the middle of the last still frame before the action."""
    return (acted.start_frame + 0.5) / rate_fps


def stop_s(acted: ActedAction, rate_fps: float) -> float:
    """Return the time in the middle of the first frame in which the action is done."""
    return (acted.stop_frame + 0.5) / rate_fps


def clock(seconds: float, decimals: int) -> str:
    """Return a time as EPIC writes it: `00:01:02.35`."""
    whole = math.floor(seconds)
    fraction = f"{seconds - whole:.{decimals}f}"[1:]
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{fraction}"


def epic_verb(acted: ActedAction) -> str:
    """Return the verb column: particles hyphenated (`take-out`, `put-in`)."""
    first = acted.instruction.split()[0]
    if first == "put":
        return f"put-{preposition(acted.action.target)}"
    if first in ("take", "turn"):
        return "-".join(acted.instruction.split()[:2])
    return first


def epic_row(video_id: str, number: int, acted: ActedAction) -> list[str]:
    """Return one row of the CSV."""
    rate_fps = RATE_FPS["epic"]
    begin_s, end_s = start_s(acted, rate_fps), stop_s(acted, rate_fps)
    action = acted.action
    nouns = [action.thing.kind if action.thing else action.target]
    said = acted.instruction.split()
    nouns += [place for place in (action.start_place, action.end_place) if place in said]
    classes = [EPIC_NOUN_CLASSES[noun] for noun in nouns]
    verb = epic_verb(acted)
    return [
        f"{video_id}_{number}", video_id.split("_")[0], video_id, clock(max(begin_s - 0.2, 0), 3),
        clock(begin_s, 2), clock(end_s, 2), str(max(1, math.floor(begin_s * rate_fps))),
        str(math.floor(end_s * rate_fps)), acted.instruction, verb, str(EPIC_VERB_CLASSES[verb]), nouns[0],
        str(classes[0]), str(nouns), str(classes),
    ]  # fmt: skip


def write_epic_csv(path: Path, acted: Acted) -> None:
    """Write the EPIC-100 CSV; rows stand in string order of their id, as in the real file."""
    numbers: dict[str, int] = {}
    rows = []
    for video_id, action in acted:
        rows.append(epic_row(video_id, numbers.get(video_id, 0), action))
        numbers[video_id] = numbers.get(video_id, 0) + 1
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(EPIC_COLUMNS)
        writer.writerows(sorted(rows))


def mpii_row(video_id: str, acted: ActedAction) -> dict[str, str]:
    """Return the text fields of one annotation; containers of doors, tools of switches, else ingredients."""
    action, place = acted.action, acted.action.target
    row = {
        "fileName": video_id,
        "fileNameId": video_id.removesuffix("-cam-002"),
        "activity": f"{action.verb}V",
        "tool": place if action.thing is None and place not in DOORS else "hand",
        "ingredients": action.thing.name if action.thing else "",
        "containers": place if action.thing is None and place in DOORS else "",
        "containersSource": action.start_place or "",
        "containersDestination": action.end_place or "",
    }
    parts = ("activity", "tool", "ingredients", "containersSource", "containersDestination")
    return row | {"className": "".join(row[part] for part in parts)}


class _MatFile:
    """Writes variables of a MATLAB v7.3 file into its group `annos`."""

    def __init__(self, file: h5py.File) -> None:
        self._references = file.create_group("#refs#")
        self._annos = file.create_group("annos")

    def _characters(self, text: str) -> h5py.Reference:
        name = f"c{len(self._references)}"
        if text:
            codes = np.frombuffer(text.encode("utf-16-le"), dtype=np.uint16).reshape(-1, 1)
            dataset = self._references.create_dataset(name, data=codes)
            dataset.attrs["MATLAB_int_decode"] = np.int32(2)
        else:
            # An empty array is written as its two sizes.
            dataset = self._references.create_dataset(name, data=np.zeros(2, dtype=np.uint64))
            dataset.attrs["MATLAB_empty"] = np.uint8(1)
        dataset.attrs["MATLAB_class"] = np.bytes_("char")
        return dataset.ref

    def cell(self, name: str, texts: list[str]) -> None:
        """Write a cell array (N, 1) of character arrays; equal texts share one."""
        shared = {text: self._characters(text) for text in dict.fromkeys(texts)}
        references = np.empty((len(texts), 1), dtype=h5py.ref_dtype)
        references[:, 0] = [shared[text] for text in texts]
        dataset = self._annos.create_dataset(name, data=references, dtype=h5py.ref_dtype)
        dataset.attrs["MATLAB_class"] = np.bytes_("cell")

    def numbers(self, name: str, values: np.ndarray) -> None:
        """Write an array of doubles."""
        dataset = self._annos.create_dataset(name, data=np.asarray(values, dtype=np.float64))
        dataset.attrs["MATLAB_class"] = np.bytes_("double")


def mpii_attributes(rows: list[dict[str, str]]) -> tuple[list[str], np.ndarray]:
    """Return the attribute names and their indicator matrix [num attributes, num rows]."""
    fields = ("activity", "tool", "ingredients", "containers", "containersSource", "containersDestination")
    names = sorted({row[field] for row in rows for field in fields} - {""})
    index = {name: number for number, name in enumerate(names)}
    matrix = np.zeros((len(names), len(rows)))
    for column, row in enumerate(rows):
        for name in {row[field] for field in fields} - {""}:
            matrix[index[name], column] = 1
    return names, matrix


def write_mpii_mat(path: Path, acted: Acted) -> None:
    """Write the MPII Cooking 2 annotation file; frames are numbered from 1."""
    rate_fps = RATE_FPS["mpii"]
    rows = [mpii_row(video_id, action) for video_id, action in acted]
    files = list(dict.fromkeys(video_id for video_id, _ in acted))
    counted: dict[str, int] = {}
    places = []
    for video_id, _ in acted:
        counted[video_id] = counted.get(video_id, 0) + 1
        places.append(counted[video_id])
    columns = {
        "startFrame": [action.start_frame + 1 for _, action in acted],
        "endFrame": [action.stop_frame + 1 for _, action in acted],
        "startTimeSeconds": [start_s(action, rate_fps) for _, action in acted],
        "endTimeSeconds": [stop_s(action, rate_fps) for _, action in acted],
        "subject": [int(video_id[1:3]) for video_id, _ in acted],
        "dish": [int(video_id.split("-")[1][1:]) for video_id, _ in acted],
        "fileId": [files.index(video_id) + 1 for video_id, _ in acted],
        "idxInFile": places,
    }
    with h5py.File(path, "w", userblock_size=512, track_order=False) as file:
        mat = _MatFile(file)
        for name in rows[0]:
            mat.cell(name, [row[name] for row in rows])
        names, matrix = mpii_attributes(rows)
        mat.cell("attributeMap", names)
        mat.numbers("iaMat", matrix)
        mat.numbers("frameRate", np.array([[rate_fps]]))
        for name, values in columns.items():
            mat.numbers(name, np.array(values, dtype=np.float64)[:, None])
    _write_header(path)


def _write_header(path: Path) -> None:
    """Fill the user block with MATLAB's header, by which its readers know the version."""
    text = b"MATLAB 7.3 MAT-file, Platform: GLNXA64, Created by editaction HDF5 schema 1.00 ."
    with path.open("r+b") as file:
        file.write(text.ljust(116) + bytes(8) + b"\x00\x02IM")
