"""A list of pairs without pixels: whoever has the videos cuts the same pairs from it, and the check proves it."""

import json
import shutil
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from flows.wiring.job import make_job
from flows.wiring.making import plainly, run_job
from flows.wiring.request import Request
from tasks.annotations.pair_list import read_header, read_pairs, write_pair_list
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.config import RunOptions
from tasks.exports.pair_check import check_pairs
from tasks.kitchen import write_kitchen

SETTINGS = {
    "segments.epic_subset": "all",
    "frames.size_px": 48,
    "frames.image_format": "png",
    "splits.num_test": 5,
    "splits.num_long_distance": 0,
    "shards.examples_per_shard": 7,
}


def run(workspace: Path, preset: str, annotations: Path, videos: Path, **settings: object) -> Artifact:
    request = Request(
        preset=preset,
        workspace=str(workspace),
        annotations=str(annotations),
        videos=str(videos),
        until="shards",
        settings=settings,
    )
    path = run_job(make_job(request), plainly(workspace, RunOptions(workers=1)))
    assert path is not None
    return Artifact.read(path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Make two drawn videos, the shards cut from them, and the list of their pairs."""
    folder = tmp_path_factory.mktemp("made")
    write_kitchen(folder / "kitchen", style="epic", num_videos=2, seed=0, workers=1)
    videos, annotations = folder / "kitchen" / "videos", folder / "kitchen" / "annotations.csv"
    shards = run(folder / "first", "hc", annotations, videos, **SETTINGS)
    write_pair_list(folder / "pairs.parquet", shards)
    return folder, videos, shards


@pytest.fixture
def videos(made, tmp_path):
    """Return a copy of the videos, to be damaged."""
    return Path(shutil.copytree(made[1], tmp_path / "videos"))


def tars_of(shards: Artifact) -> dict[str, bytes]:
    return {path.relative_to(shards.path).as_posix(): path.read_bytes() for path in shards.path.rglob("*.tar")}


def test_whoever_has_the_videos_cuts_the_same_pairs_to_the_byte(made, videos, tmp_path):
    folder, _, first = made
    again = run(tmp_path / "again", "pairs", folder / "pairs.parquet", videos)
    assert tars_of(again) == tars_of(first)
    assert {row["split"] for row in again.records()} == {"test5", "train"}
    assert list(again.records()) == list(first.records())
    check = check_pairs(folder / "pairs.parquet", again.path, again)
    assert (check.is_same, check.same, check.videos) == (True, first.manifest["counts"]["kept"], {})
    write_pair_list(tmp_path / "again.parquet", again)
    assert (tmp_path / "again.parquet").read_bytes() == (folder / "pairs.parquet").read_bytes()


def test_the_list_holds_ids_times_and_hashes_and_no_pixels(made):
    folder, _, shards = made
    rows = pd.read_parquet(folder / "pairs.parquet")
    assert len(rows) == shards.manifest["counts"]["kept"]
    assert not {name for name in rows.columns if name.endswith(("_image", "_file"))}
    assert rows.source_sha256.str.fullmatch("[0-9a-f]{64}").all()
    assert (rows.source_frame_index < rows.edited_frame_index).all()
    assert rows.groupby("video_id").video_fingerprint.nunique().tolist() == [1, 1]
    header = read_header(folder / "pairs.parquet")
    assert (header.frames["size_px"], header.frames["image_format"]) == (48, "png")
    assert header.shards == {"examples_per_shard": 7}
    assert set(header.packages) == {"av", "numpy", "pillow"}
    assert str(folder) not in (folder / "pairs.parquet").read_bytes().decode("latin-1")


def test_a_changed_video_and_a_missing_one_are_named_and_their_pairs_counted(made, videos, tmp_path):
    folder, _, first = made
    changed, missing = sorted(videos.iterdir())
    shutil.copy(missing, changed)
    missing.unlink()
    again = run(tmp_path / "again", "pairs", folder / "pairs.parquet", videos)
    check = check_pairs(folder / "pairs.parquet", again.path, again)
    of_video = {name: sum(row["video_id"] == name for row in first.records()) for name in (changed.stem, missing.stem)}
    behind = check.missing.get("starts_behind_video", 0)  # the other file is shorter
    assert check.missing == {"video_missing": of_video[missing.stem]} | (
        {"starts_behind_video": behind} if behind else {}
    )
    assert sum(check.different.values()) + check.same + behind == of_video[changed.stem]
    assert sum(check.different.values()) > check.same
    assert check.videos[missing.stem] == "missing"
    assert check.videos[changed.stem].startswith("another file")
    assert check.num_pairs == first.manifest["counts"]["kept"]


def test_a_copy_of_a_video_with_other_bytes_and_the_same_frames_gives_the_same_pairs_and_is_named(
    made, videos, tmp_path
):
    folder, _, _ = made
    copy = sorted(videos.iterdir())[0]
    copy.write_bytes(copy.read_bytes() + b"\0\0\0\x10free12345678")
    again = run(tmp_path / "again", "pairs", folder / "pairs.parquet", videos)
    check = check_pairs(folder / "pairs.parquet", again.path, again)
    assert check.is_same
    assert list(check.videos) == [copy.stem]


def test_pairs_keep_what_is_recorded_of_segments_that_are_not_listed(made, videos, tmp_path):
    """Splits and overlaps are those of the whole list, even when only half of it is used."""
    folder, _, first = made
    table = pq.read_table(folder / "pairs.parquet")
    overlapping = [row["segment_id"] for row in table.to_pylist() if row["overlaps"]]
    rows = [row for row in table.to_pylist() if row["segment_id"] not in overlapping[1:]]
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), tmp_path / "half.parquet")
    again = run(tmp_path / "again", "pairs", tmp_path / "half.parquet", videos)
    whole = {row["segment_id"]: (row["split"], row["overlaps"]) for row in first.records()}
    half = {row["segment_id"]: (row["split"], row["overlaps"]) for row in again.records()}
    assert len(half) < len(whole)
    assert half == {segment_id: whole[segment_id] for segment_id in half}
    assert (half[overlapping[0]][1], check_pairs(tmp_path / "half.parquet", again.path, again).is_same) == (True, True)
    assert check_pairs(folder / "pairs.parquet", again.path, again).missing == {"not_in_shards": len(overlapping) - 1}
    assert check_pairs(tmp_path / "half.parquet", first.path, first).not_listed == len(overlapping) - 1


def changed_list(folder: Path, path: Path, **columns: object) -> Path:
    """Write the list with changed values in the first row."""
    table = pq.read_table(folder / "pairs.parquet")
    rows = table.to_pylist()
    rows[0] |= columns
    pq.write_table(type(table).from_pylist(rows, schema=table.schema), path)
    return path


@pytest.mark.parametrize(
    ("columns", "differing"),
    [
        ({"edited_sha256": "0" * 64}, "edited_image"),
        ({"instruction": "do something else"}, "instruction"),
        ({"source_sha256": "0" * 64, "split": "validation"}, "source_image and split"),
    ],
)
def test_what_differs_from_the_list_is_said(made, tmp_path, columns, differing):
    folder, _, shards = made
    check = check_pairs(changed_list(folder, tmp_path / "other.parquet", **columns), shards.path, shards)
    assert check.different == {differing: 1}
    assert check.same == check.num_pairs - 1
    (example,) = check.examples
    assert example.startswith(next(read_pairs(folder / "pairs.parquet"))["segment_id"])


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"video_id": "../../etc/passwd"}, "unsafe_video_id"),
        ({"segment_id": "a/b"}, "bad_segment_id"),
        ({"start_s": float("nan")}, "bad_times"),
        ({"start_frame": -1}, "bad_times"),
    ],
)
def test_rows_that_cannot_be_used_fail_with_their_reason(made, tmp_path, columns, reason):
    folder, videos, shards = made
    listed = changed_list(folder, tmp_path / "bad.parquet", **columns)
    again = run(tmp_path / "again", "pairs", listed, videos)
    (segments,) = artifacts_of(tmp_path / "again", "segments")
    assert segments.manifest["counts"]["failed"] == {reason: 1}
    assert again.manifest["counts"]["kept"] == shards.manifest["counts"]["kept"] - 1


def test_a_split_that_would_lead_out_of_the_shards_is_refused(made, tmp_path):
    folder, videos, _ = made
    listed = changed_list(folder, tmp_path / "bad.parquet", split="../../out")
    with pytest.raises(ValueError, match="no name of a split"):
        run(tmp_path / "again", "pairs", listed, videos)


@pytest.mark.parametrize("kind", ["missing", "text", "other table", "other format"])
def test_what_is_no_list_of_pairs_is_refused_with_a_word_of_what_to_do(made, tmp_path, kind):
    folder, _, _ = made
    path = tmp_path / "list.parquet"
    if kind == "text":
        path.write_text("video,start_s\n")
    if kind == "other table":
        pd.DataFrame({"video": ["a"]}).to_parquet(path)
    if kind == "other format":
        table = pq.read_table(folder / "pairs.parquet")
        note = json.loads(table.schema.metadata[b"editaction"]) | {"format": 99}
        pq.write_table(table.replace_schema_metadata({b"editaction": json.dumps(note)}), path)
    with pytest.raises(ValueError, match="format 99" if kind == "other format" else "editaction manifest --out FILE"):
        read_header(path)


def test_the_commands_write_a_list_and_prove_shards_against_it(made, tmp_path):
    folder, _, shards = made
    invoke = CliRunner().invoke
    written = invoke(cli, ["manifest", "--workspace", str(folder / "first"), "--out", str(tmp_path / "p.parquet")])
    assert (written.exit_code, (tmp_path / "p.parquet").read_bytes()) == (
        0,
        (folder / "pairs.parquet").read_bytes(),
    )
    number = shards.manifest["counts"]["kept"]
    for where in (["--workspace", str(folder / "first")], ["--shards", str(shards.path)]):
        same = invoke(cli, ["verify", "--manifest", str(tmp_path / "p.parquet"), *where])
        assert f"{number} pairs: {number} same, 0 different, 0 missing." in same.output, same.output
        assert same.exit_code == 0
    other = changed_list(folder, tmp_path / "other.parquet", source_sha256="0" * 64)
    failed = invoke(cli, ["verify", "--manifest", str(other), "--workspace", str(folder / "first")])
    assert f"{number} pairs: {number - 1} same, 1 different, 0 missing." in failed.output
    assert "1 different: source_image" in failed.output
    assert failed.exit_code == 1
