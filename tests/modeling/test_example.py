"""The record of one example and its members in a tar."""

import hashlib
import io
import json
import pickle
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.data.example import check_key, decode, encode
from modeling.data.images import encode_jpeg, encode_png
from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from tests.support.drawn_examples import example

words = st.text(max_size=20)
keys = st.from_regex(r"[\w-]{1,30}", fullmatch=True)


@settings(max_examples=60, deadline=None)
@given(
    segment_id=keys,
    instruction=words,
    object=words,
    end_point=words,
    start_s=st.floats(0, 1e6),
    overlaps=st.booleans(),
    encoder=st.sampled_from([encode_png, encode_jpeg]),
)
def test_decode_is_the_inverse_of_encode(**fields):
    original = example(**fields)
    assert original == decode(encode(original))


def test_examples_come_back_from_a_real_tar(tmp_path):
    originals = [example(f"a-{n}", seed=n, encoder=encode_jpeg if n % 2 else encode_png) for n in range(5)]
    write_shard(tmp_path / "train-000000.tar", originals)
    assert originals == list(Examples(tmp_path))


def test_pictures_keep_the_bytes_they_came_with():
    """A JPEG that is decoded and encoded again would lose a little each time."""
    original = example(encoder=encode_jpeg)
    assert encode(original)["P01_102-000034.source.jpg"] == original.source_file
    assert (original.source_image.shape, original.source_image.dtype) == ((8, 8, 3), np.uint8)


def test_equal_examples_give_equal_bytes_and_nothing_of_the_machine(tmp_path):
    for name in ("a.tar", "b.tar"):
        write_shard(tmp_path / name, [example("a"), example("b", seed=1)])
    first, second = (hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("a.tar", "b.tar"))
    assert first == second
    with tarfile.open(tmp_path / "a.tar") as tar:
        assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in tar} == {
            (0, 0, 0, "", 0o644)
        }
        assert tar.getnames()[:3] == ["a.source.png", "a.edited.png", "a.json"]


class Trap:
    def __reduce__(self):
        return (exec, ("raise SystemExit('a pickle was run')",))


@pytest.mark.parametrize("extension", ["pyd", "pickle", "pkl", "pth", "source.pyd", "npy", "source.gif", "txt", ""])
def test_members_that_could_run_code_or_are_unknown_are_refused(extension, tmp_path):
    name = f"a.{extension}"
    members = encode(example("a")) | {name: pickle.dumps(Trap())}
    with pytest.raises(ValueError, match="none of"):
        decode(members)
    with tarfile.open(tmp_path / "bad.tar", "w") as tar:
        for member, content in members.items():
            header = tarfile.TarInfo(member)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    with pytest.raises(ValueError, match=r"bad\.tar.*none of"):
        Examples(tmp_path)


def test_a_pickle_called_png_is_refused():
    members = encode(example("a")) | {"a.source.png": pickle.dumps(Trap())}
    with pytest.raises(ValueError, match="PNG or JPEG"):
        decode(members)


@pytest.mark.parametrize("change", [{"a.source.png": None}, {"a.json": None}, {"b.json": b"{}"}, {"a.source.jpg": b""}])
def test_a_missing_or_surplus_member_is_refused(change):
    members = encode(example("a")) | change
    with pytest.raises(ValueError, match="not one source, one edited and one json"):
        decode({name: content for name, content in members.items() if content is not None})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"instruction": 3}, "instruction is 3"),
        ({"start_s": "1"}, "start_s is '1'"),
        ({"segment_id": "other"}, "another"),
        ({"more": 1}, "exactly the fields"),
    ],
)
def test_metadata_of_the_wrong_kind_is_refused(change, message):
    members = encode(example("a"))
    members["a.json"] = json.dumps(json.loads(members["a.json"]) | change).encode()
    with pytest.raises(ValueError, match=message):
        decode(members)


@pytest.mark.parametrize("key", ["P01_01.00012", "../x", "a/b", "", "a b", "a\n", ".hidden", "x" * 201])
def test_keys_that_a_shard_or_file_system_would_misread_are_refused(key):
    with pytest.raises(ValueError, match="cannot be a key"):
        check_key(key)
