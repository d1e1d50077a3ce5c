"""Tables and names as people have them: each is read, or refused with a sentence that says what to do."""

import datetime
import json
import random
import tracemalloc
import unicodedata
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.data.example import Example, check_key, decode, encode
from modeling.data.images import encode_png
from tasks.annotations.epic import read_epic
from tasks.annotations.segment import Annotations, mark_overlaps, read_segments, write_segments
from tasks.annotations.table import read_table
from tasks.annotations.times import seconds_of
from tasks.artifacts.work import Work
from tasks.config import FramesConfig, Patience, RunOptions, SplitsConfig
from tasks.cutting.pairs import folder_name
from tasks.fetching.downloads import Download, download_all
from tasks.fetching.remote_video import FetchError
from tasks.fetching.sites import Site
from tasks.fetching.video_files import VideoFolder, describe_video
from tasks.frames import frames
from tasks.splits import splits
from tasks.videos import describe_remote
from tests.support.clips import CLIPS
from tests.support.clips import encode as encode_clip
from tests.support.http_server import Behaviour, files_of, serving
from tests.tasks.test_segments_stage import find_in, read_into

HEADER = "video,start_s,stop_s,instruction\n"


def table(tmp_path: Path, content: str | bytes, name: str = "a.csv") -> Annotations:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_table(path)


def spans(annotations: Annotations) -> list[tuple[float, float]]:
    assert not annotations.rejected, annotations.rejected
    return [(segment.start_s, segment.stop_s) for segment in annotations.segments]


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [
        ("00:00:00.20", "00:00:00.90", (0.2, 0.9)),
        ("1:02:03", "1:02:03.5", (3723.0, 3723.5)),
        ("1:30", "2:00.25", (90.0, 120.25)),
        ("00:00:01,500", "00:00:02,000", (1.5, 2.0)),
        ('"0,2"', '"0,9"', (0.2, 0.9)),
        ("0.2s", "0.9 s", (0.2, 0.9)),
        (" 0.2 ", "9e-1", (0.2, 0.9)),
        ("1:02:03,5", "1:02:04,5", (3723.5, 3724.5)),
        ("PT1M2.5S", "PT1H", (62.5, 3600.0)),
        ("1m31s", "1h 2m 4.5s", (91.0, 3724.5)),
        ("1500ms", "2 min", (1.5, 120.0)),
        ("0 days 00:00:01.500000", "0 days 00:01:02", (1.5, 62.0)),
        ("0:00:01", '"1 day, 0:00:01.5"', (1.0, 86401.5)),
    ],
)
def test_times_are_read_as_people_write_them(
    start: str, stop: str, expected: tuple[float, float], tmp_path: Path
) -> None:
    if "," in start + stop:
        start, stop = (f'"{time.strip(chr(34))}"' for time in (start, stop))
    assert spans(table(tmp_path, f"{HEADER}a.mp4,{start},{stop},x\n")) == [expected]


@pytest.mark.parametrize(
    ("start", "stop", "said"),
    [
        ("soon", "2", "'soon' is no time. Write seconds"),
        ("00:00:01:12", "2", "time code"),
        ('"1,500"', "1600", "1.5 or 1500"),
        ("1_0", "20", "'1_0' is no time"),
        ("5", "2", "comes before the stop"),
        ("1", "", "one of the two is empty"),
        ("00:61:00", "9999", "no time"),
        ('"1,234.5"', "1300", "separator of thousands"),
        ('"1.234,5"', "1300", "separator of thousands"),
        ("00:00:01;12", "2", "time code"),
        ("5m", "9m", "'5m' is no time"),
        ("-1", "2", "at least 0"),
        ("NaN", "2", "'NaN' is no time"),
        ("inf", "2", "'inf' is no time"),
    ],
)
def test_a_time_that_cannot_be_read_is_told_with_row_value_and_remedy(
    start: str, stop: str, said: str, tmp_path: Path
) -> None:
    [rejected] = table(tmp_path, f"{HEADER}a.mp4,{start},{stop},x\n").rejected
    assert (rejected["status"], rejected["reason"]) == ("failed", "bad_times")
    assert rejected["message"].startswith("a.csv: row 1, column start_s, stop_s: ")
    assert said in rejected["message"]


@given(st.integers(0, 359_999), st.integers(0, 999))
def test_every_clock_time_is_the_decimal_number_that_it_says(whole: int, thousandths: int) -> None:
    text = f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}.{thousandths:03d}"
    assert seconds_of(text) == float(f"{whole}.{thousandths:03d}")


@given(st.text())
def test_no_text_stops_the_reading_of_times(text: str) -> None:
    assert seconds_of(text) is None or isinstance(seconds_of(text), float)


@pytest.mark.parametrize(
    "content",
    [
        "video;start_s;stop_s;instruction\nclip.mp4;0,2;0,9;open door, slowly\n",
        "video\tstart_s\tstop_s\tinstruction\nclip.mp4\t0.2\t0.9\topen door, slowly\n",
        'sep=,\nvideo,start_s,stop_s,instruction\nclip.mp4,0.2,0.9,"open door, slowly"\n',
        "sep=;\r\nvideo;start_s;stop_s;instruction\r\nclip.mp4;0.2;0.9;open door, slowly\r\n",
        'video, start_s, stop_s, instruction\nclip.mp4, 0.2, 0.9,"open door, slowly"\n',
        'video, start_s, stop_s, instruction\n"clip.mp4", "0.2", "0.9", "open door, slowly"\n',
        'SEP=;\nvideo;start_s;stop_s;instruction\nclip.mp4; 0.2;0.9; "open door, slowly"\n',
        '\n\r\n  \nVideo,Start_S,STOP_S,Instruction\nclip.mp4,0.2,0.9,"open door, slowly"\n,,,\n',
        '\ufeffvideo,start_s,stop_s,instruction\nclip.mp4,0.2,0.9,"open door, slowly"\n',
    ],
)
def test_tables_are_read_as_programs_write_them(content: str, tmp_path: Path) -> None:
    annotations = table(tmp_path, content)
    assert spans(annotations) == [(0.2, 0.9)]
    assert (annotations.segments[0].video_id, annotations.segments[0].instruction) == ("clip.mp4", "open door, slowly")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("video,start_s,start_s,stop_s,instruction\na,0,0,1,x\n", "'start_s' is there twice"),
        ("video,start,stop,instruction\na,0,1,x\n", "'start_s' is missing; there are video, start, stop"),
        ("video,start_s,stop_s,start_frame,stop_frame,instruction\na,0,1,5,22,x\n", "row 1 gives start_frame beside"),
        ("video,start_frame,instruction\na,0,x\n", "'stop_frame' is missing"),
        ("video,time,instruction\na,0,x\n", "'start_s' is missing"),
    ],
)
def test_a_table_that_may_be_misread_is_refused(content: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"a\.csv") as caught:
        table(tmp_path, content)
    assert said in str(caught.value)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\ufeff"])
def test_json_lines_of_any_system_and_joined_by_cat_are_read(end: str, tmp_path: Path) -> None:
    line = '{"video": "clip.mp4", "start_s": 0.2, "stop_s": 0.9, "instruction": "open\u2028door %d"}'
    (tmp_path / "a.jsonl").write_bytes("".join(line % number + end for number in range(3)).encode())
    annotations = read_table(tmp_path / "a.jsonl")
    assert [segment.instruction for segment in annotations.segments] == [f"open\u2028door {n}" for n in range(3)]


def test_separators_of_unicode_end_no_line_of_json_which_may_begin_with_a_mark(tmp_path: Path) -> None:
    row = {"video": "clip.mp4", "start_s": 0.2, "stop_s": 0.9}
    texts = ["open\u2028door", "close\u2029door", "turn\u0085on", "put\x0bcup\x0cdown"]
    lines = "".join(json.dumps(row | {"instruction": text}, ensure_ascii=False) + "\n" for text in texts)
    for mark in ("", "\ufeff"):
        annotations = table(tmp_path, mark + lines, "a.jsonl")
        assert [segment.instruction for segment in annotations.segments] == texts
    with pytest.raises(ValueError, match="line 1: column 'video' is there twice"):
        table(tmp_path, '{"video": "a", "video": "b", "start_s": 0, "stop_s": 1, "instruction": "x"}\n', "a.jsonl")


@pytest.mark.parametrize("name", ["a.jsonl", "a.parquet"])
def test_a_cell_that_holds_a_list_is_refused_with_a_word(name: str, tmp_path: Path) -> None:
    rows = [{"video": "a", "start_s": [0.0], "stop_s": 1.0, "instruction": "x"}]
    if name.endswith("parquet"):
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / name)
        annotations = read_table(tmp_path / name)
    else:
        annotations = table(tmp_path, json.dumps(rows[0]) + "\n", name)
    [rejected] = annotations.rejected
    assert (rejected["reason"], "column start_s: '[" in rejected["message"]) == ("bad_cell", True)


def test_parquet_times_of_its_own_kinds_are_read(tmp_path: Path) -> None:
    row = {"video": "a", "start_s": datetime.time(0, 0, 1, 500_000), "stop_s": datetime.time(0, 1), "instruction": "x"}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "a.parquet")
    assert spans(read_table(tmp_path / "a.parquet")) == [(1.5, 60.0)]


def test_numbers_of_frames_and_whole_clips_give_pairs_with_their_times(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    encode_clip(clips / "a.mp4", CLIPS["short_gop.mp4"], num_frames=50)
    for content, indices, times in (
        ("video,start_frame,stop_frame,instruction\na.mp4,5,22,open door\n", (5, 22), (0.2, 0.88)),
        ("video,instruction\na.mp4,open door\n", (0, 49), (0.0, 1.96)),
        ("video,start_s,stop_s,instruction\na.mp4,,,open door\n", (0, 49), (0.0, 1.96)),
    ):
        (tmp_path / "actions.csv").write_text(content)
        made = read_into(tmp_path / "w", tmp_path / "actions.csv")
        videos_there = find_in(tmp_path / "w", made, clips)
        cut = frames.run(tmp_path / "w", "t", FramesConfig(size_px=64), segments=made.path, videos=videos_there.path)
        [row] = cut.records()
        assert (row["source_frame_index"], row["edited_frame_index"]) == indices
        assert (row["start_s"], row["stop_s"]) == times
        assert not row["clamped_to_end"]
        assert made.manifest["facts"]["num_whole_clips"] == (indices == (0, 49))


def test_overlaps_are_found_among_counted_frames_and_whole_clips(tmp_path: Path) -> None:
    content = "video,start_frame,stop_frame,instruction\na,5,22,x\na,20,30,y\na,30,40,z\nb,,,w\n"
    segments = mark_overlaps(table(tmp_path, content).segments)
    assert [segment.overlaps for segment in segments] == [True, True, False, False]


ROWS = [f"{video}.mp4,{start},{start + 0.3},open door {start}" for video in "ab" for start in (0.1, 0.4, 0.7, 1.0, 1.3)]


def test_a_row_given_twice_counts_once(tmp_path: Path) -> None:
    annotations = table(tmp_path, HEADER + "\n".join([*ROWS, *ROWS, ROWS[0].replace("0.1,", "0.10,", 1)]) + "\n")
    assert len(annotations.segments) == 10
    assert [(row["status"], row["reason"]) for row in annotations.rejected] == [("filtered", "duplicate_segment")] * 11
    assert "row 11 repeats row 1" in annotations.rejected[0]["message"]
    assert annotations.funnel == {"rows": 21, "distinct": 10, "with_text": 10, "with_times": 10}
    assert len({segment.segment_id for segment in annotations.segments}) == 10
    assert "11 rows repeat" in annotations.facts["warnings"][0]


def test_a_row_given_twice_in_other_letters_counts_once(tmp_path: Path) -> None:
    texts = (
        "ouvre la fenêtre",
        unicodedata.normalize("NFD", "Ouvre  la fenêtre"),
        "OUVRE LA FENÊTRE",
        "ouvre la porte",
    )
    orders = []
    for order in (texts, texts[::-1]):
        annotations = table(tmp_path, HEADER + "".join(f"a.mp4,0,1,{text}\n" for text in order))
        assert [row["reason"] for row in annotations.rejected] == ["duplicate_segment"] * 2
        orders.append({segment.segment_id for segment in annotations.segments})
    assert orders[0] == orders[1], "the key is that of the text, and not of the letters that came first"


def test_two_names_of_one_file_are_one_video_and_a_row_under_both_counts_once(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in ("clip.MP4", "other.mp4"):
        encode_clip(clips / name, CLIPS["short_gop.mp4"], num_frames=50)
    named = [
        "clip,0.2,0.9,open door",
        "clip.mp4,0.2,0.9,Open door",
        "clip.MP4,1,1.5,open door",
        "other,0.2,0.9,open door",
    ]
    (tmp_path / "actions.csv").write_text(HEADER + "\n".join([*named, "gone,0,1,open door"]) + "\n")
    made = read_into(tmp_path / "w", tmp_path / "actions.csv")
    videos_there = find_in(tmp_path / "w", made, clips)
    cut = frames.run(tmp_path / "w", "t", FramesConfig(size_px=64), segments=made.path, videos=videos_there.path)
    rows = [(row["video_id"], row["group"], row["start_s"]) for row in cut.records()]
    assert sorted(rows) == [("clip", "clip", 0.2), ("clip", "clip", 1.0), ("other", "other", 0.2)]
    reasons = {(row["video_id"], row["status"], row["reason"]) for row in cut.rejected()}
    assert reasons == {("clip", "filtered", "duplicate_segment"), ("gone", "failed", "video_missing")}
    counts = cut.manifest["counts"]
    assert [counts[name] for name in ("kept", "filtered", "failed")] == [
        3,
        {"duplicate_segment": 1},
        {"video_missing": 1},
    ]


def test_rows_in_another_order_give_the_same_test_set(tmp_path: Path) -> None:
    clips = tmp_path / "clips"
    clips.mkdir()
    for name in "ab":
        encode_clip(clips / f"{name}.mp4", CLIPS["short_gop.mp4"], num_frames=50)
    drawn = []
    for order in (ROWS, random.Random(1).sample(ROWS, len(ROWS)), [*ROWS[::-1], *ROWS]):
        (tmp_path / "actions.csv").write_text(HEADER + "\n".join(order) + "\n")
        made = read_into(tmp_path / "w", tmp_path / "actions.csv")
        videos_there = find_in(tmp_path / "w", made, clips)
        cut = frames.run(tmp_path / "w", "t", FramesConfig(size_px=64), segments=made.path, videos=videos_there.path)
        split = splits.run(tmp_path / "w", "t", SplitsConfig(num_test=3), frames=cut.path)
        drawn.append({row["segment_id"]: row["split"] for row in split.records()})
    assert drawn[0] == drawn[1] == drawn[2]
    assert sorted(drawn[0].values()) == ["test3"] * 3 + ["train"] * 7


def test_keys_of_long_and_foreign_names_fit_and_differ(tmp_path: Path) -> None:
    names = ["é" * 90, "è" * 90, "a b", "a_b", "あ/い.mp4", "あ_い.mp4", "فيديو.mp4"]
    annotations = table(tmp_path, HEADER + "".join(f"{name},0,1,開ける\n" for name in names))
    ids = [segment.segment_id for segment in annotations.segments]
    assert len(set(ids)) == len(names)
    for segment_id in ids:
        check_key(segment_id)


def test_names_are_found_whatever_their_accents_case_of_suffix_and_folder(tmp_path: Path) -> None:
    composed = "crème brûlée.mp4"
    decomposed = unicodedata.normalize("NFD", composed)
    for file in (decomposed, "GOPR01.MP4", "P01/clip.mp4", "videos/P02/x.MOV", "my.clip.v2.mp4"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"video")
    find = VideoFolder(tmp_path).find
    for asked in (composed, decomposed, composed[:-4], decomposed[:-4]):
        assert find(asked) == decomposed
    assert [find(asked) for asked in ("GOPR01.mp4", "GOPR01.MP4", "GOPR01")] == ["GOPR01.MP4"] * 3
    assert [find(asked) for asked in ("P01/clip.mp4", "P01/clip", "P01/clip.MP4")] == ["P01/clip.mp4"] * 3
    assert find("P02/x.mov") == "videos/P02/x.MOV"
    assert find("my.clip.v2") == "my.clip.v2.mp4"
    assert find("p01/clip.mp4") is None
    assert find("clip.mp4") is None
    (tmp_path / "GOPR01.mp4").write_bytes(b"other")
    find = VideoFolder(tmp_path).find
    assert find("GOPR01.mp4") == "GOPR01.mp4"
    assert find("GOPR01.MP4") == "GOPR01.MP4"


def test_accents_are_composed_in_folders_in_unknown_extensions_and_beside_capitals_too(tmp_path: Path) -> None:
    def decomposed(name: str) -> str:
        return unicodedata.normalize("NFD", name)

    files = (decomposed("Küche/clip.mp4"), "Flur/é.mp4", decomposed("fenêtre.dat"), "écran.DAT", decomposed("côté.MP4"))
    for file in (*files, "Flür/x.mp4"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_bytes(b"video")
    find = VideoFolder(tmp_path).find
    assert find("Küche/clip.mp4") == find(decomposed("Küche/clip")) == files[0]
    assert find(decomposed("Flur/é.mp4")) == files[1]
    assert find("fenêtre.dat") == files[2]
    assert find(decomposed("écran.DAT")) == files[3]
    assert find("côté.mp4") == find("côté") == files[4]
    assert find(decomposed("Flür/x.mp4")) == "Flür/x.mp4"


def test_of_two_files_the_exact_name_and_then_the_usual_extension_has_priority(tmp_path: Path) -> None:
    composed, decomposed = (unicodedata.normalize(form, "brûlée.mp4") for form in ("NFC", "NFD"))
    for file in (composed, decomposed, "clip.avi", "clip.mp4", "clip.mkv"):
        (tmp_path / file).write_bytes(b"video")
    find = VideoFolder(tmp_path).find
    assert [find(name) for name in (composed, decomposed)] == [composed, decomposed]
    assert find("clip") == "clip.mp4"


def test_composed_and_decomposed_names_are_one_video(tmp_path: Path) -> None:
    name = "brûlée.mp4"
    rows = [f"{name},0,1,x", f"{unicodedata.normalize('NFD', name)},0,1,x", "P01\\a.mp4,0,1,x", "./P01/a.mp4,0,1,x"]
    annotations = table(tmp_path, HEADER + "\n".join(rows) + "\n")
    assert [row["reason"] for row in annotations.rejected] == ["duplicate_segment"] * 2
    assert [segment.video_id for segment in annotations.segments] == [name, "P01/a.mp4"]


@pytest.mark.parametrize("video", ["../x.mp4", "/x.mp4", "a/../../x.mp4", "a//x.mp4", ".git/x", "a/.x", "~/x", "a/"])
def test_no_name_leads_out_of_the_folder(video: str, tmp_path: Path) -> None:
    (tmp_path / "x.mp4").write_bytes(b"secret")
    (tmp_path / "clips" / "a").mkdir(parents=True)
    [rejected] = table(tmp_path, f"{HEADER}{video},0,1,x\n").rejected
    assert rejected["reason"] == "unsafe_video_id"
    assert VideoFolder(tmp_path / "clips").find(video) is None


def test_pictures_of_videos_in_subfolders_lie_in_folders_of_their_own() -> None:
    names = ["P01", "P01/a.mp4", "P01_a.mp4", "P01/a_mp4"]
    assert len({folder_name(name) for name in names}) == len(names)
    assert not any("/" in folder_name(name) for name in names)


def test_an_id_with_a_dot_is_asked_for_with_an_extension_at_a_server() -> None:
    site = Site(reader="table", mirror="https://example.org")
    assert site.urls("my.clip.v2")[0] == "https://example.org/my.clip.v2.mp4"
    assert "https://example.org/my.clip.v2" in site.urls("my.clip.v2"), "v2 may be an extension that is not known"
    assert site.place("my.clip.v2") == "videos/my.clip.v2.mp4"
    assert site.urls("P01/clip.mkv")[:2] == ("https://example.org/P01/clip.mkv", "https://example.org/P01/clip.MKV")
    assert site.urls("clip.MOV")[0] == "https://example.org/clip.MOV"


def test_names_are_found_at_a_server_whatever_their_accents_case_of_suffix_and_folder(tmp_path: Path) -> None:
    decomposed = unicodedata.normalize("NFD", "crème")
    there = ["GOPR01.MP4", f"{decomposed}.mp4", "P01/1234.webm", "videos/clip.mov", "a b#1%.mkv"]
    for name in there:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypmp42")
    wanted = ["GOPR01.mp4", "crème", "P01/1234", "clip.MOV", "a b#1%"]
    with serving(Behaviour(files=files_of(tmp_path))) as url:
        for mirror in (url, f"{url}/{{video}}.mp4"):
            site = Site(reader="table", mirror=mirror)
            found = wanted if mirror == url else ["crème"]
            downloads = [
                Download(name=name, urls=site.urls(name), target=tmp_path / "got" / str(number))
                for number, name in enumerate(found)
            ]
            errors = [error for _, error in download_all(downloads, connections=1, patience=Patience(retries=0))]
            assert errors == [None] * len(found)


def test_a_video_that_a_server_lacks_is_told_alike_by_a_download_and_by_ranges(tmp_path: Path) -> None:
    """Both name the likeliest address: else the other way to fetch would make all further stages anew."""
    options = RunOptions(patience=Patience(retries=0))
    work = Work(stage="videos", path=tmp_path / "videos", label="table", options=options, on_progress=None)
    with serving(Behaviour()) as url:
        urls = Site(reader="table", mirror=url).urls("clip")
        with pytest.raises(FetchError) as by_ranges:
            describe_remote("clip", urls, work)
        download = Download(name="clip", urls=urls, target=tmp_path / "clip.mp4")
        [(_, error)] = download_all([download], connections=1, patience=options.patience)
    assert str(error) == str(by_ranges.value)
    assert str(error).startswith(f"{url}/clip.mp4: ")


def test_epic_rows_that_fail_say_where_and_what_to_do(tmp_path: Path) -> None:
    columns = "participant_id,video_id,start_timestamp,stop_timestamp,start_frame,stop_frame,narration\n"
    (tmp_path / "e.csv").write_text(columns + "P01,P01_101,00:00:02.0,00:00:01.0,100,50,open door\n")
    [rejected] = read_epic(tmp_path / "e.csv", "extension").rejected
    assert rejected["message"].startswith("e.csv: row 1, column start_timestamp")
    assert "00:00:02.0, 00:00:01.0" in rejected["message"]
    assert "Write timestamps as HH:MM:SS.ss" in rejected["message"]


ROW = {"video": "crème.mp4", "start_s": 0.2, "stop_s": 0.9, "instruction": "ドアを開ける"}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", (HEADER + "crème.mp4,0.2,0.9,ドアを開ける\n").encode("utf-16")),
        ("a.txt", (HEADER + "crème.mp4,0.2,0.9,ドアを開ける\n").replace(",", "\t").encode("utf-16")),
        ("a.TSV", (HEADER + "crème.mp4,0.2,0.9,ドアを開ける\n").replace(",", "\t").encode()),
        ("a.ndjson", json.dumps(ROW).encode()),
        ("a.jsonl", json.dumps(ROW, ensure_ascii=False).encode("utf-16")),
        ("a.json", json.dumps([ROW], indent=2).encode()),
        ("a.json", b"\xef\xbb\xbf" + json.dumps({"version": 2, "annotations": [ROW], "authors": ["x"]}).encode()),
    ],
)
def test_other_encodings_and_forms_of_json_are_read(name: str, content: bytes, tmp_path: Path) -> None:
    annotations = table(tmp_path, content, name)
    assert spans(annotations) == [(0.2, 0.9)]
    assert (annotations.segments[0].video_id, annotations.segments[0].instruction) == ("crème.mp4", "ドアを開ける")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", (HEADER + "crème.mp4,0,1,x\n").encode("cp1252"), "not in UTF-8 .*Windows-1252.* Save it as UTF-8"),
        ("a.csv", (HEADER + "料理.mp4,0,1,x\n").encode("shift_jis"), "not in UTF-8"),
        ("a.csv", (HEADER + "a.mp4,0,1,x\n").encode("utf-16-le"), "UTF-16 and has no byte order mark"),
        ("a.xlsx", b"PK\x03\x04" + bytes(80), "workbook of Excel .* Save it as CSV UTF-8"),
        ("a.csv", b"PK\x03\x04" + bytes(80), "workbook of Excel"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(80), "old workbook of Excel"),
        ("a.numbers", b"anything else", "a workbook"),
        ("a.csv.gz", b"\x1f\x8b" + bytes(80), "packed by gzip.* Unpack it"),
        ("a.csv", b"\n<!DOCTYPE html><title>Log in</title>", "page of HTML"),
        ("a.jsonl", json.dumps([ROW], indent=2).encode(), "one array.* Call the file .json"),
        ("a.json", json.dumps({"database": {"v": {"annotations": [ROW]}}}).encode(), "no array of objects.* database"),
        ("a.json", json.dumps({"train": [ROW], "val": [ROW]}).encode(), "there are train, val"),
        ("a.json", json.dumps([[1, 2]]).encode(), "row 1 is no object"),
        ("a.json", json.dumps(ROW).encode() + b"\n" + json.dumps(ROW).encode(), "One object a line is called .jsonl"),
        ("a.csv", b"a.mp4,0.2,0.9,open door\n", "The first line names the columns"),
        ("a.csv", HEADER.encode(), "no row in this table"),
        ("a.jsonl", b"\n\n", "no row in this table"),
        ("a.json", b"[]", "no row in this table"),
    ],
)
def test_what_is_no_table_is_refused_by_its_own_name(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        table(tmp_path, content, name)


def test_a_name_may_hold_what_file_systems_take_and_a_longer_one_is_told_its_length(tmp_path: Path) -> None:
    names = [
        "my clip (1) #2 100%?.mp4",
        "😀 &=+.mp4",
        "厨" * 78 + ".mp4",
        ("a" * 90 + "/") * 4 + "b.mp4",
        "x" * 300 + ".mp4",
    ]
    rows = "".join(f'"{name}",0.2,0.9,x\n' for name in names)
    annotations = table(tmp_path, HEADER + rows)
    assert [segment.video_id for segment in annotations.segments] == names[:4]
    assert len({segment.segment_id for segment in annotations.segments}) == 4
    assert "304 bytes, and a name has at most 240" in annotations.rejected[0]["message"]
    folder = tmp_path / "videos"
    for segment in annotations.segments:
        check_key(segment.segment_id)
        (folder / segment.video_id).parent.mkdir(parents=True, exist_ok=True)
        (folder / segment.video_id).write_bytes(b"x")
        (tmp_path / folder_name(segment.video_id)).mkdir()
        assert VideoFolder(folder).find(segment.video_id) == segment.video_id


def test_a_null_character_is_no_text(tmp_path: Path) -> None:
    [rejected] = table(tmp_path, f"{HEADER}a.mp4,0.2,0.9,op\0en\n").rejected
    assert (rejected["reason"], "null character" in rejected["message"]) == ("bad_cell", True)


def test_a_table_whose_texts_would_fill_the_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.annotations.table.MAX_CHARACTERS", 1_000)
    monkeypatch.setattr("tasks.annotations.json_rows.MAX_JSON_BYTES", 1_000)
    rows = "".join(f"a.mp4,{start},{start + 1},{'x' * 300}\n" for start in range(5))
    with pytest.raises(ValueError, match="instructions up to row 4 have more than 1000 characters"):
        table(tmp_path, HEADER + rows)
    with pytest.raises(ValueError, match=r"at most 1000.*Write one object a line"):
        table(tmp_path, json.dumps([ROW] * 20), "a.json")


def test_columns_that_nobody_asked_for_stay_out_of_memory(tmp_path: Path) -> None:
    """Each action has a line of 100 kB beside it. Lines are not kept, so a table may be larger than memory."""
    rows = (ROW | {"start_s": start, "stop_s": start + 1, "boxes": "x" * 100_000} for start in range(200))
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    tracemalloc.start()
    annotations = read_table(tmp_path / "a.jsonl")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(annotations.segments) == 200
    assert peak < 3_000_000  # of 20 MB in the file


def test_instructions_of_any_script_come_through_to_a_shard_as_they_were_written(tmp_path: Path) -> None:
    texts = [
        *("打开冰箱", "ドアを開ける", "냉장고를 열다", "افتح الثلاجة", "פתח את המקרר", "เปิดตู้เย็น", "फ्रिज खोलो"),
        *(
            unicodedata.normalize("NFD", "ouvrir la fenêtre"),
            "open 🚪 with 👩‍🍳",
            "open\u200fdoor\u200e",
            "İstanbul'u aç",
        ),
    ]
    rows = (json.dumps(ROW | {"instruction": text}, ensure_ascii=False) for text in texts)
    annotations = table(tmp_path, "\n".join(rows), "a.jsonl")
    write_segments(tmp_path / "segments.parquet", annotations.segments)
    again = read_segments(tmp_path / "segments.parquet")
    assert [segment.instruction for segment in again] == texts
    assert all(segment.verb for segment in again)
    picture = encode_png(np.zeros((8, 8, 3), np.uint8))
    names = ("segment_id", "video_id", "start_s", "stop_s", "instruction", "verb", "object", "start_point", "end_point")
    for segment in again:
        fields = {name: getattr(segment, name) for name in names}
        example = Example(**fields, overlaps=False, split="train", source_file=picture, edited_file=picture)
        assert decode(encode(example)) == example


def test_segments_are_written_in_groups_of_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [json.dumps(ROW | {"instruction": f"open {'x' * 300} {number}"}) for number in range(7)]
    segments = table(tmp_path, "\n".join(rows), "a.jsonl").segments
    monkeypatch.setattr("tasks.annotations.segment.TEXT_OF_A_GROUP", 1_000)
    for number, sizes in ((7, [2, 2, 2, 1]), (0, [0])):
        write_segments(tmp_path / "segments.parquet", segments[:number])
        metadata = pq.ParquetFile(tmp_path / "segments.parquet").metadata
        assert [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)] == sizes
        assert read_segments(tmp_path / "segments.parquet") == segments[:number]


def test_a_folder_of_pictures_in_place_of_a_video_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "P01" / "clip").mkdir(parents=True)
    (tmp_path / "P01" / "clip" / "frame_0000000001.jpg").write_bytes(b"x")
    folder = VideoFolder(tmp_path)
    assert "make a video file of them" in describe_video(folder, "P01/clip")["message"]
    assert "no file named P01/film" in describe_video(folder, "P01/film")["message"]
