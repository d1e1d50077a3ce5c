"""MPII Cooking 2 intervals become segments, in any shape of their cells."""

from pathlib import Path

import h5py
import numpy as np
import pytest

from tasks.annotations.mpii import read_mpii

TEXTS = ("activity", "fileName", "tool", "ingredients", "containers", "containersSource", "containersDestination")
NUMBERS = ("startFrame", "endFrame", "startTimeSeconds", "endTimeSeconds", "subject")


def interval(**changed: object) -> dict[str, object]:
    """Return a good interval, with changes."""
    good = {
        "activity": "take outV",
        "fileName": "s07-d72-cam-002",
        "tool": "hand",
        "ingredients": "bottle",
        "containers": "fridge",
        "containersSource": "fridge",
        "containersDestination": "",
        "startFrame": 194,
        "endFrame": 243,
        "startTimeSeconds": 6.6,
        "endTimeSeconds": 8.3,
        "subject": 7,
    }
    return good | changed


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write intervals as MATLAB v7.3 does: cells are references, text is a column of UTF-16 units."""
    with h5py.File(path, "w", userblock_size=512) as file:
        references = file.create_group("#refs#")
        annos = file.create_group("annos")

        def refer(cell: object) -> h5py.Reference:
            name = f"c{len(references)}"
            if not cell:
                content = references.create_dataset(name, data=np.zeros(2, np.uint64))
                content.attrs["MATLAB_empty"] = np.uint8(1)
            elif isinstance(cell, list):
                inner = [refer(part) for part in cell]
                nested = references.create_dataset(f"n{len(references)}", (len(inner), 1), h5py.ref_dtype)
                for place, reference in enumerate(inner):
                    nested[place, 0] = reference
                return nested.ref
            else:
                codes = np.frombuffer(str(cell).encode("utf-16-le"), np.uint16).reshape(-1, 1)
                content = references.create_dataset(name, data=codes)
            return content.ref

        for name in TEXTS:
            column = annos.create_dataset(name, (len(rows), 1), h5py.ref_dtype)
            for place, row in enumerate(rows):
                column[place, 0] = refer(row[name])
        for name in NUMBERS:
            annos[name] = np.array([[float(row[name])] for row in rows])  # type: ignore[arg-type]
    return path


def test_an_interval_becomes_a_segment_counted_in_frames(tmp_path: Path) -> None:
    [segment] = read_mpii(write(tmp_path / "a.mat", [interval()]), 1).segments
    assert segment.segment_id == "s07-d72-cam-002-000001"
    assert (segment.start_frame, segment.stop_frame) == (193, 242), "MPII numbers frames from 1"
    assert (segment.start_s, segment.stop_s) == (6.6, 8.3)
    assert segment.instruction == "take out bottle from fridge"
    assert (segment.verb, segment.object, segment.start_point, segment.end_point) == (
        "take out",
        "bottle",
        "fridge",
        "",
    )
    assert segment.group == "s07"


def test_frames_may_be_numbered_from_0(tmp_path: Path) -> None:
    [segment] = read_mpii(write(tmp_path / "a.mat", [interval()]), 0).segments
    assert (segment.start_frame, segment.stop_frame) == (194, 243)


@pytest.mark.parametrize(
    ("changed", "instruction"),
    [
        ({"containersSource": "", "containersDestination": "counter"}, "take out bottle to counter"),
        ({"containersSource": [], "ingredients": ["glass", "mug"]}, "take out glass and mug"),
        ({"ingredients": [["glass"], ["", "mug"]]}, "take out glass and mug from fridge"),
        ({"ingredients": [], "containers": ["pan"]}, "take out pan from fridge"),
        ({"ingredients": "", "containers": [""], "tool": ["hand", "knife"]}, "take out knife from fridge"),
        ({"activity": "moveV", "containersDestination": ["stove"]}, "move bottle from fridge to stove"),
        ({"ingredients": "jalapeño"}, "take out jalapeño from fridge"),
    ],
)
def test_instructions_of_every_shape_of_cell(changed: dict[str, object], instruction: str, tmp_path: Path) -> None:
    [segment] = read_mpii(write(tmp_path / "a.mat", [interval(**changed)]), 1).segments
    assert segment.instruction == instruction


def test_cells_as_matlab_may_also_write_them(tmp_path: Path) -> None:
    """Rows instead of columns, a char array of two lines, numbers in cells, and cells that refer to nothing."""
    path = write(tmp_path / "a.mat", [interval(), interval(startFrame=300, endFrame=400)])
    with h5py.File(path, "r+") as file:
        annos, references = file["annos"], file["#refs#"]
        lines = np.array([[ord(a), ord(b)] for a, b in zip("glass", "mug  ", strict=True)], np.uint16)
        annos["ingredients"][0, 0] = references.create_dataset("two lines", data=lines).ref
        annos["containers"][1, 0] = h5py.Reference()
        for name in ("activity", "endFrame"):
            content = annos[name][()]
            del annos[name]
            annos[name] = content.reshape(1, -1)
        for name, missing in (("startFrame", None), ("subject", 1)):
            content = annos[name][()].ravel()
            del annos[name]
            column = annos.create_dataset(name, (len(content), 1), h5py.ref_dtype)
            for place, number in enumerate(content):
                cell = references.create_dataset(f"{name} {place}", data=[[number]])
                if place == missing:
                    cell[()] = 0
                    cell.attrs["MATLAB_empty"] = np.uint8(1)
                column[place, 0] = cell.ref
    one, two = read_mpii(path, 1).segments
    assert (one.object, one.start_frame, one.stop_frame, one.group) == ("glass and mug", 193, 242, "s07")
    assert (two.object, two.start_frame, two.stop_frame, two.group) == ("bottle", 299, 399, "s07-d72-cam-002")


@pytest.mark.parametrize(
    ("changed", "status", "reason"),
    [
        ({"ingredients": "", "containers": "", "tool": "hand"}, "filtered", "no_object"),
        ({"fileName": "../../x"}, "failed", "unsafe_video_id"),
        ({"activity": ""}, "failed", "no_activity"),
        ({"endFrame": 194}, "failed", "bad_times"),
        ({"startFrame": 0}, "failed", "bad_times"),
        ({"startFrame": float("nan")}, "failed", "bad_times"),
        ({"endTimeSeconds": 1.0}, "failed", "bad_times"),
    ],
)
def test_an_interval_that_is_not_kept_says_why(
    changed: dict[str, object], status: str, reason: str, tmp_path: Path
) -> None:
    annotations = read_mpii(write(tmp_path / "a.mat", [interval(), interval(**changed)]), 1)
    assert [(row["row"], row["status"], row["reason"]) for row in annotations.rejected] == [(2, status, reason)]
    assert len(annotations.segments) == 1


def test_the_sources_of_objects_are_counted(tmp_path: Path) -> None:
    rows = [interval(), interval(ingredients=""), interval(ingredients="", containers="", tool="knife")]
    facts = read_mpii(write(tmp_path / "a.mat", rows), 1).facts
    assert facts["object_from"] == {"containers": 1, "ingredients": 1, "tool": 1}
    assert facts["counts"]["with_start_point"] == 3


@pytest.mark.parametrize("content", [b"", b"MATLAB 5.0 MAT-file", b"video,start_s\n"])
def test_a_file_that_is_no_such_mat_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "wrong.mat"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"wrong\.mat"):
        read_mpii(path, 1)


def test_a_mat_without_the_columns_is_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "other.mat", "w") as file:
        file["x"] = [1]
    with pytest.raises(ValueError, match="annos/activity"):
        read_mpii(tmp_path / "other.mat", 1)


def test_the_fixture_of_the_real_layout(real_data: Path) -> None:
    annotations = read_mpii(real_data / "mpii" / "fixture_v73.mat", 1)
    assert [segment.instruction for segment in annotations.segments] == [
        "take out bottle from fridge",
        "take out glass and mug from cupboard to counter",
    ]
    assert [row["reason"] for row in annotations.rejected] == ["no_object"]
    assert annotations.funnel == {"rows": 3, "with_object": 2, "with_times": 2}
