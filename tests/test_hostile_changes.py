"""Eight kinds of small valid inputs, changed at random by a seed: the result is a value, a listed failure or a message.

No signal, no hang, no traceback: a reader gives a value, or raises ValueError or OSError. Nothing is lost silently:
kept, filtered and failed rows of a table sum to the rows that went in.
"""

import json
import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from modeling.data.images import encode_jpeg, read_image
from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from modeling.editors.model_index import read_model_index
from tasks.annotations.mpii import read_mpii
from tasks.annotations.segment import Annotations
from tasks.annotations.table import read_table
from tasks.artifacts.artifact import Artifact, damaged_files
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import DatasetConfig
from tasks.video.exact_frames import Moment, VideoError, read_moments
from tests.support.clips import X264, encode
from tests.support.drawn_examples import example
from tests.tasks.test_mpii import interval, write

NUM_CHANGES = int(os.environ.get("EDITACTION_NUM_CHANGES", "60"))
"""Number of changed files of each kind."""
LONGEST_S = 20.0
ROWS = [
    {"video": "clip", "start_s": 0.1, "stop_s": 0.5 + number, "instruction": f"open door {number}"}
    for number in range(6)
]


@dataclass(frozen=True)
class Kind:
    """A kind of input: how a valid one is made, and which function reads it."""

    name: str
    make: Callable[[Path], None]
    read: Callable[[Path], None]


def as_csv(path: Path) -> None:
    lines = [",".join(ROWS[0]), *(",".join(f'"{value}"' for value in row.values()) for row in ROWS)]
    path.write_text("\n".join(lines) + "\n")


def as_json_lines(path: Path) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def as_parquet(path: Path) -> None:
    pq.write_table(pa.Table.from_pylist(ROWS), path)


def as_mat(path: Path) -> None:
    write(path, [interval(), interval(ingredients=""), interval(startFrame=300)])


def as_shard(path: Path) -> None:
    write_shard(path, [example(f"a-{number}", seed=number) for number in range(3)])


def as_picture(path: Path) -> None:
    path.write_bytes(encode_jpeg(np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)))


def as_video(path: Path) -> None:
    encode(path, [*X264, "keyint=10"], num_frames=12)


def counted(annotations: Annotations) -> None:
    """Every row is kept, or listed with a reason."""
    assert annotations.funnel["rows"] == len(annotations.segments) + len(annotations.rejected)
    assert all(row["status"] in ("filtered", "failed") and row["reason"] for row in annotations.rejected)
    for row in annotations.rejected:
        json.dumps(row, ensure_ascii=False).encode()


def expect_picture(picture: np.ndarray) -> None:
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3


def read_shard_whole(path: Path) -> None:
    """Pictures and texts may change, but no example is lost."""
    examples = Examples(path)
    assert len(examples) == 3
    for number in range(len(examples)):
        try:
            examples[number].source_image.mean()
        except ValueError:
            continue


def read_video(path: Path) -> None:
    with suppress(VideoError):
        read_moments(path, [Moment(time_s=0.1, index=None)], lambda frame: frame.shape)


@stage
def verdicts(work: Work, config: DatasetConfig) -> None:
    """Stand in for a stage, so that there is an artifact to change."""
    if not work.item_done("a", "k"):
        (work.path / "a.txt").write_text("a")
        work.finish_item("a", "k", kept=[{"segment_id": "a"}], files=["a.txt"])
    work.write_rows(*work.collect())


def as_manifest(path: Path) -> None:
    made = verdicts.run(path.parent / "w", "table", DatasetConfig())
    path.write_bytes((made.path / "manifest.json").read_bytes())
    (path.parent / "model_index.json").write_text('{"unet": ["diffusers", "UNet2DConditionModel"]}')


def read_artifact(path: Path) -> None:
    """Read the changed content as a manifest, a list of files, an item's record and an index of parts."""
    content = path.read_bytes()
    (path.parent / "model_index.json").write_bytes(content)
    [folder] = [manifest.parent for manifest in (path.parent / "w" / "verdicts").glob("*/manifest.json")]
    whole = folder.with_name("whole")
    for name in ("manifest.json", "files.jsonl", next((folder / "items").iterdir()).relative_to(folder).as_posix()):
        shutil.copytree(folder, whole)
        (whole / name).write_bytes(content)
        with suppress(ValueError, OSError):
            artifact = Artifact.read(whole)
            damaged_files(artifact)
            list(artifact.records())
        shutil.rmtree(whole)
    with suppress(ValueError, OSError):
        read_model_index(path.parent)


KINDS = [
    Kind("a.csv", as_csv, lambda path: counted(read_table(path))),
    Kind("a.jsonl", as_json_lines, lambda path: counted(read_table(path))),
    Kind("a.parquet", as_parquet, lambda path: counted(read_table(path))),
    Kind("a.mat", as_mat, lambda path: counted(read_mpii(path, 1))),
    Kind("a.tar", as_shard, read_shard_whole),
    Kind("a.jpg", as_picture, lambda path: expect_picture(read_image(path))),
    Kind("a.mp4", as_video, read_video),
    Kind("a.json", as_manifest, read_artifact),
]


def change(content: bytes, rng: np.random.Generator) -> bytes:
    """Return the content with some bytes flipped, cut out, put in or repeated, or with its end cut off."""
    changed = bytearray(content)
    for _ in range(int(rng.integers(1, 4))):
        place, kind = int(rng.integers(0, len(changed))), int(rng.integers(0, 6))
        if kind == 0:
            changed[place] ^= 1 << int(rng.integers(0, 8))
        elif kind == 1:
            changed[place] = int(rng.choice([0, 10, 34, 44, 91, 123, 127, 255]))
        elif kind == 2:
            del changed[place : place + int(rng.integers(1, 9))]
        elif kind == 3:
            changed[place:place] = rng.bytes(int(rng.integers(1, 9)))
        elif kind == 4:
            changed[place : place + 4] = bytes(rng.choice([0, 255], 4).tolist())
        else:
            changed[place:] = changed[place:][: max(1, len(changed) // 2)]
        if not changed:
            return b"\0"
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_changed_input_gives_a_value_a_listed_failure_or_one_message(kind: Kind, tmp_path: Path) -> None:
    av.logging.set_level(None)
    path = tmp_path / kind.name
    kind.make(path)
    kind.read(path)
    good, rng = path.read_bytes(), np.random.default_rng(13)
    num_refused = 0
    for number in range(NUM_CHANGES):
        path.write_bytes(change(good, rng))
        started, message = time.monotonic(), "a value"
        try:
            kind.read(path)
        except (ValueError, OSError) as error:
            num_refused += 1
            message = str(error)
        assert message, number
        assert time.monotonic() - started < LONGEST_S, number
    assert num_refused < NUM_CHANGES
