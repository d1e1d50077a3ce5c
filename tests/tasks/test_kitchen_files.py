"""The kitchen on disk: real video files and annotations in the real datasets' formats.

One seed gives the same files.
"""

import ast
import csv
import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import h5py
import numpy as np
import pytest
from av.video.frame import PictureType

from evaluation.kitchen.acting import RATE_FPS
from evaluation.kitchen.judge import judge
from tasks.annotations.kitchen import EPIC_COLUMNS, clock
from tasks.kitchen import write_annotations, write_kitchen
from tasks.video.drawn_film import MAX_ACTIONS, MIN_ACTIONS, Video, encode


@pytest.fixture(scope="module", params=["mpii", "epic"])
def kitchen(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    out = tmp_path_factory.mktemp(f"kitchen_{request.param}")
    write_kitchen(out, style=request.param, num_videos=2, seed=3, workers=2)
    return request.param, out


def goals_of(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "goals.jsonl").read_text().splitlines()]


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_videos_are_h264_with_b_frames_at_the_real_rate(kitchen: tuple[str, Path]) -> None:
    style, out = kitchen
    for path in sorted((out / "videos").iterdir()):
        assert path.suffix == {"mpii": ".avi", "epic": ".MP4"}[style]
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            assert stream.codec_context.name == "h264"
            assert float(stream.average_rate or 0) == pytest.approx(RATE_FPS[style])
            assert min(stream.width, stream.height) >= 128
            kinds = {PictureType(frame.pict_type) for frame in container.decode(video=0)}
        assert PictureType.B in kinds


def test_the_frames_at_an_actions_times_show_it_undone_and_done(kitchen: tuple[str, Path]) -> None:
    style, out = kitchen
    suffix = {"mpii": ".avi", "epic": ".MP4"}[style]
    frames = {path.stem: frames_of(path) for path in (out / "videos").glob(f"*{suffix}")}
    for goal in goals_of(out):
        shown = frames[goal["video_id"]]
        assert int(goal["start_s"] * RATE_FPS[style]) == goal["start_frame"]
        assert int(goal["stop_s"] * RATE_FPS[style]) == goal["stop_frame"]
        if not goal["overlaps"]:
            undone, done = judge(goal, shown[goal["start_frame"]]), judge(goal, shown[goal["stop_frame"]])
            assert (undone.carried_out, undone.kept, done.carried_out, done.kept) == (False, True, True, True)


def test_each_video_holds_several_short_actions_with_gaps(kitchen: tuple[str, Path]) -> None:
    style, out = kitchen
    by_video: dict[str, list[dict[str, Any]]] = {}
    for goal in goals_of(out):
        by_video.setdefault(goal["video_id"], []).append(goal)
        assert 0.3 <= goal["stop_s"] - goal["start_s"] <= 1.0 + 1 / RATE_FPS[style]
    for goals in by_video.values():
        assert MIN_ACTIONS <= len(goals) <= MAX_ACTIONS
        for first, second in pairwise(goals):
            both = first["overlaps"] and second["overlaps"]
            assert both or second["start_s"] - first["stop_s"] > 0.1


def test_few_pairs_overlap_and_those_that_do_are_marked(tmp_path: Path) -> None:
    videos = [Video(style="mpii", seed=0, number=number) for number in range(40)]
    counts = write_annotations(tmp_path, videos)
    assert 0 < counts["overlapping"] <= counts["actions"] / 10
    goals = goals_of(tmp_path)
    for goal in goals:
        others = [other for other in goals if other["video_id"] == goal["video_id"] and other is not goal]
        overlaps = any(other["start_s"] <= goal["stop_s"] and goal["start_s"] <= other["stop_s"] for other in others)
        assert overlaps == goal["overlaps"]


def test_the_epic_csv_has_the_real_columns_and_frame_law(tmp_path: Path) -> None:
    write_annotations(tmp_path, [Video(style="epic", seed=1, number=number) for number in range(8)])
    with (tmp_path / "annotations.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(EPIC_COLUMNS) == list(rows[0])
    assert [row["narration_id"] for row in rows] == sorted(row["narration_id"] for row in rows)
    for row in rows:
        hours, minutes, seconds = row["stop_timestamp"].split(":")
        assert len(seconds) == 5
        assert int(row["stop_frame"]) == int((int(hours) * 3600 + int(minutes) * 60 + float(seconds)) * 50 + 1e-6)
        assert row["video_id"].startswith(row["participant_id"])
        nouns, classes = ast.literal_eval(row["all_nouns"]), ast.literal_eval(row["all_noun_classes"])
        assert (nouns[0], str(classes[0])) == (row["noun"], row["noun_class"])
        assert all(noun in row["narration"].split() for noun in nouns)
        assert row["verb"].split("-") == [word for word in row["narration"].split() if word in row["verb"].split("-")]
    assert {"P01", "P02"} == {row["participant_id"] for row in rows}


@pytest.mark.parametrize(("seconds", "text"), [(0.01, "00:00:00.01"), (62.35, "00:01:02.35"), (3723.5, "01:02:03.50")])
def test_times_are_written_as_epic_writes_them(seconds: float, text: str) -> None:
    assert text == clock(seconds, 2)


def text_at(file: h5py.File, reference: h5py.Reference) -> str:
    dataset = file[reference]
    if dataset.attrs.get("MATLAB_empty", 0):
        return ""
    return str(dataset[()].astype("<u2").tobytes().decode("utf-16-le"))


def test_the_mat_file_reads_as_matlab_7_3_and_rebuilds_every_instruction(tmp_path: Path) -> None:
    write_annotations(tmp_path, [Video(style="mpii", seed=1, number=number) for number in range(3)])
    goals = goals_of(tmp_path)
    assert (tmp_path / "annotations.mat").read_bytes().startswith(b"MATLAB 7.3 MAT-file")
    with h5py.File(tmp_path / "annotations.mat") as file:
        annos = file["annos"]
        cells = {
            name: [text_at(file, reference) for reference in annos[name][:, 0]]
            for name in annos
            if annos[name].dtype == "O"
        }
        starts, stops = annos["startFrame"][:, 0], annos["endFrame"][:, 0]
        seconds, rate_fps = annos["startTimeSeconds"][:, 0], annos["frameRate"][0, 0]
        assert annos["iaMat"].shape == (len(cells["attributeMap"]), len(goals))
        assert annos["activity"].shape == (len(goals), 1)
    assert rate_fps == pytest.approx(29.4)
    for number, goal in enumerate(goals):
        row = {name: values[number] for name, values in cells.items() if name != "attributeMap"}
        assert row["activity"].endswith("V")
        subject = row["ingredients"] or row["containers"] or (row["tool"] if row["tool"] != "hand" else "")
        source = f" from {row['containersSource']}" if row["containersSource"] else ""
        destination = f" to {row['containersDestination']}" if row["containersDestination"] else ""
        assert f"{row['activity'][:-1]} {subject}{source}{destination}" == goal["instruction"]
        assert (starts[number] - 1, stops[number] - 1) == (goal["start_frame"], goal["stop_frame"])
        assert int(seconds[number] * rate_fps) == goal["start_frame"]
        assert row["fileName"] == goal["video_id"]


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("style", ["mpii", "epic"])
def test_equal_seeds_give_equal_bytes_and_others_do_not(style: str, tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        (tmp_path / name).mkdir()
        video = Video(style=style, seed=seed, number=1)  # type: ignore[arg-type]
        write_annotations(tmp_path / name, [video])
        encode(video, tmp_path / name / "video")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")
    assert not set(digests(tmp_path / "a").values()) & set(digests(tmp_path / "c").values())


def test_a_folder_of_others_is_refused_before_any_work_and_an_earlier_kitchen_is_drawn_again(tmp_path: Path) -> None:
    theirs, ours, linked = tmp_path / "theirs", tmp_path / "ours", tmp_path / "linked"
    for folder, file in ((theirs, "annotations.mat"), (ours, "goals.jsonl"), (linked, "goals.jsonl")):
        folder.mkdir()
        (folder / file).write_text("{}")
    (linked / "videos").symlink_to(theirs)
    (tmp_path / "link").symlink_to(ours)
    for folder in (theirs, linked, tmp_path / "link", theirs / "annotations.mat"):
        with pytest.raises(FileExistsError, match=folder.name):
            write_kitchen(folder, style="mpii", num_videos=1, seed=0, workers=1)
    assert [path.name for path in theirs.iterdir()] == ["annotations.mat"]
    assert (theirs / "annotations.mat").read_text() == "{}"
    assert write_kitchen(ours, style="mpii", num_videos=1, seed=0, workers=1)["videos"] == 1
    before = digests(ours)
    write_kitchen(ours, style="mpii", num_videos=1, seed=0, workers=1)
    assert digests(ours) == before


def test_a_video_that_cannot_be_written_is_one_error_that_names_it(tmp_path: Path) -> None:
    write_kitchen(tmp_path / "k", style="mpii", num_videos=1, seed=0, workers=1)
    (video,) = (tmp_path / "k" / "videos").iterdir()
    video.unlink()
    video.mkdir()
    with pytest.raises(OSError, match=video.name):
        write_kitchen(tmp_path / "k", style="mpii", num_videos=1, seed=0, workers=1)
