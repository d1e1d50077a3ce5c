"""docs/shards.md is a specification: a writer that knows only it makes shards that we read, and a reader reads ours."""

import io
import json
import tarfile

import numpy as np
from PIL import Image

from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from tests.support.drawn_examples import example

FIELDS = ["segment_id", "split", "video_id", "start_s", "stop_s", "instruction", "verb", "object", "start_point"]
FIELDS += ["end_point", "overlaps"]
"""Names of the fields, in the order that the specification prints."""


def specified_tar(path, examples):
    """Write a tar by the words of the specification, with Python's own tarfile."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        for fields, pictures in examples:
            members = {f"{fields['segment_id']}.{name}.png": file for name, file in pictures.items()}
            members[f"{fields['segment_id']}.json"] = json.dumps(fields, ensure_ascii=False).encode()
            for name, content in members.items():
                header = tarfile.TarInfo(name)
                header.size, header.mtime, header.mode = len(content), 0, 0o644
                tar.addfile(header, io.BytesIO(content))


def a_picture(seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return pixels, file.getvalue()


def test_a_tar_written_by_the_specification_alone_is_read(tmp_path):
    (before, source), (after, edited) = a_picture(1), a_picture(2)
    values = ["é-1", "train", "v", 0, 1.5, "open door", "open", "door", "", "", False]
    specified_tar(
        tmp_path / "train-000000.tar", [(dict(zip(FIELDS, values, strict=True)), {"source": source, "edited": edited})]
    )
    (decoded,) = Examples(tmp_path)
    assert [getattr(decoded, name) for name in FIELDS] == values
    assert np.array_equal(decoded.source_image, before)
    assert np.array_equal(decoded.edited_image, after)


def test_a_tar_of_ours_is_what_the_specification_says(tmp_path):
    made = [example("a-1", seed=1), example("b-2", seed=2)]
    write_shard(tmp_path / "train-000000.tar", made)
    content = (tmp_path / "train-000000.tar").read_bytes()
    assert content.endswith(bytes(1024))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        members = tar.getmembers()
        assert [member.name for member in members] == [
            f"{key}.{end}" for key in ("a-1", "b-2") for end in ("source.png", "edited.png", "json")
        ]
        assert {(member.mtime, member.mode, member.uname, member.gname, member.isreg()) for member in members} == {
            (0, 0o644, "", "", True)
        }
        assert list(json.loads(tar.extractfile("a-1.json").read())) == FIELDS


def test_the_specification_names_exactly_the_fields_that_there_are():
    from modeling.data.example import METADATA
    from tests.conftest import ROOT

    text = (ROOT / "docs" / "shards.md").read_text(encoding="utf-8").split("## JSON")[1].split("##")[0]
    named = [
        name
        for line in text.splitlines()
        if line.startswith("| `")
        for name in line.split("|")[1].replace("`", "").split(", ")
    ]
    assert [name.strip() for name in named] == list(METADATA) == FIELDS
