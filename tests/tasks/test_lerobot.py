"""LeRobot v3 data sets: an episode seen by a camera is a segment; its frames are the episode's first and last."""

import json

import pytest

from flows.wiring.job import make_job
from flows.wiring.outside_inputs import outside_annotations
from flows.wiring.request import Request
from modeling.data.images import read_image
from tasks.annotations.lerobot import read_lerobot
from tasks.config import FramesConfig, SegmentsConfig, VideosConfig
from tasks.fetching.video_files import outside_folder, places_of
from tasks.frames import frames
from tasks.segments import segments
from tasks.videos import videos
from tests.support.clips import read_number
from tests.support.drawn_lerobot import CAMERAS, EPISODES, draw_lerobot, episode_rows, info_of, write_episodes


def test_an_episode_is_a_segment_of_each_camera_with_its_frames_counted(tmp_path):
    annotations = read_lerobot(draw_lerobot(tmp_path, videos=False) / "meta" / "info.json")
    assert [(segment.video_id, segment.start_frame, segment.stop_frame) for segment in annotations.segments] == [
        (f"{camera}--chunk-000--file-{file:03d}", first, after - 1)
        for file, first, after, _ in EPISODES
        for camera in CAMERAS
    ]
    assert (annotations.segments[2].instruction, annotations.segments[2].verb, annotations.segments[2].object) == (
        "put cup on plate",
        "put",
        "cup",
    )
    assert annotations.segments[2].end_point == "plate"
    assert [segment.group for segment in annotations.segments[:3]] == [
        "episode-000000",
        "episode-000000",
        "episode-000001",
    ]
    assert annotations.funnel == {"episodes": 3, "episodes_x_cameras": 6, "with_task": 6, "with_times": 6}
    only = read_lerobot(tmp_path / "meta" / "info.json", CAMERAS[1:])
    assert len(only.segments) == 3


def test_rounded_times_give_the_frames_that_were_meant(tmp_path):
    """from_timestamp is a sum of floats: 0.79999 s is frame 20 at 25 fps."""
    draw_lerobot(tmp_path, videos=False)
    rows = episode_rows()
    rows[1][f"videos/{CAMERAS[0]}/from_timestamp"] = 0.7999999
    rows[1][f"videos/{CAMERAS[0]}/to_timestamp"] = 1.8000001
    write_episodes(tmp_path, rows)
    annotations = read_lerobot(tmp_path / "meta" / "info.json", CAMERAS[:1])
    assert (annotations.segments[1].start_frame, annotations.segments[1].stop_frame) == (20, 44)


def test_rows_that_are_no_actions_have_their_reason(tmp_path):
    draw_lerobot(tmp_path, videos=False)
    rows = episode_rows(
        [(0, 0, 20, t) for t in ([], [" "], ["a b", "c d"], ["a b", "a b"], ["ok go"], ["ok go"], ["ok go"])]
    )
    rows[4][f"videos/{CAMERAS[0]}/to_timestamp"] = 0.0
    rows[5][f"videos/{CAMERAS[0]}/from_timestamp"] = float("nan")
    rows[6][f"videos/{CAMERAS[0]}/chunk_index"] = -1
    write_episodes(tmp_path, rows)
    annotations = read_lerobot(tmp_path / "meta" / "info.json", CAMERAS[:1])
    assert [(row["row"], row["status"], row["reason"]) for row in annotations.rejected] == [
        (1, "filtered", "no_instruction"),
        (2, "filtered", "no_instruction"),
        (3, "filtered", "several_tasks"),
        (5, "failed", "bad_times"),
        (6, "failed", "bad_times"),
        (7, "failed", "bad_row"),
    ]
    assert len(annotations.segments) + len(annotations.rejected) == 7


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"codebase_version": "v2.1"}, "convert_dataset_v21_to_v30"),
        ({"video_path": "../{video_key}.mp4"}, "video_path"),
        ({"features": {}}, "no camera with a video"),
        ({"features": {"../x": {"dtype": "video"}}}, "no usable name"),
        ({"fps": 0, "features": {"cam": {"dtype": "video"}}}, "no usable name or rate"),
    ],
)
def test_what_is_no_data_set_of_version_3_is_said_before_any_work(tmp_path, changes, message):
    draw_lerobot(tmp_path, videos=False)
    (tmp_path / "meta" / "info.json").write_text(json.dumps(info_of(**changes)))
    with pytest.raises(ValueError, match=message):
        read_lerobot(tmp_path / "meta" / "info.json")


def test_a_damaged_or_foreign_episode_file_is_named(tmp_path):
    draw_lerobot(tmp_path, videos=False)
    info = tmp_path / "meta" / "info.json"
    with pytest.raises(ValueError, match="no camera left"):
        read_lerobot(info, ["left"])
    file = tmp_path / "meta/episodes/chunk-000/file-000.parquet"
    write_episodes(tmp_path, [{"episode_index": 0, "tasks": ["a b"]}])
    with pytest.raises(ValueError, match="no column 'videos/observation"):
        read_lerobot(info)
    file.write_bytes(b"PAR1")
    with pytest.raises(ValueError, match="not a readable Parquet"):
        read_lerobot(info)
    file.unlink()
    with pytest.raises(ValueError, match="no episode files"):
        read_lerobot(info)


def test_a_video_of_an_episode_is_found_where_lerobot_keeps_it_and_nowhere_else():
    assert places_of("cam--chunk-001--file-002")[0] == ("videos/cam/chunk-001", "file-002")
    for odd in ("../x--chunk-001--file-002", "..--chunk-001--file-002", "a/b--chunk-001--file-002", "P01_102"):
        assert all(name == odd for _, name in places_of(odd))


@pytest.mark.slow
def test_the_pictures_are_the_first_and_last_frame_of_each_episode(tmp_path):
    folder = draw_lerobot(tmp_path / "data")
    job = make_job(Request(preset="lerobot", annotations=str(folder), until="frames"))
    assert (job.annotations, job.videos) == (folder / "meta" / "info.json", folder)
    outside = outside_annotations(job.annotations, "lerobot")
    made = segments.run(tmp_path, "t", SegmentsConfig(reader="lerobot"), annotations=outside)
    video_ids = {record["video_id"] for record in made.records()}
    there = outside_folder(folder, video_ids, tmp_path)
    videos_there = videos.run(tmp_path, "t", VideosConfig(), segments=made.path, folder=there)
    assert videos_there.manifest["counts"]["kept"] == 4
    cut = frames.run(
        tmp_path, "t", FramesConfig(size_px=96, image_format="png"), segments=made.path, videos=videos_there.path
    )
    numbers = {
        record["segment_id"]: [
            read_number(read_image(cut.path / record[f"{name}_image"])) for name in ("source", "edited")
        ]
        for record in cut.records()
    }
    expected = {
        f"{camera.replace('.', '_')}--chunk-000--file-{file:03d}-{number:06d}": [first, after - 1]
        for number, (file, first, after, _) in enumerate(EPISODES)
        for camera in CAMERAS
    }
    assert numbers == expected


def test_another_episode_file_is_another_input(tmp_path):
    folder = draw_lerobot(tmp_path, videos=False)
    info = folder / "meta" / "info.json"
    before = outside_annotations(info, "lerobot").digest
    write_episodes(folder, episode_rows()[:2])
    assert outside_annotations(info, "lerobot").digest != before
