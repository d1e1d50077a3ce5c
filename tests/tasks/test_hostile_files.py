"""Shards, archives, .mat files and pipelines that are broken or lie: a message names the file, and nothing is lost."""

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.torch import load_file, save_file

from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from modeling.editors.instruct_pix2pix import Editor
from tasks.annotations.mpii import read_mpii
from tasks.fetching.archives import extract_videos
from tasks.fetching.checked_files import NOTES, CheckedFiles
from tests.support.drawn_examples import example
from tests.tasks.test_mpii import interval, write

EDITOR = Path(__file__).parents[2] / "modeling" / "starting_editor"


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "train" / "train-000000.tar"
    path.parent.mkdir()
    write_shard(path, [example(f"a-{number}", seed=number) for number in range(3)])
    return path


def test_a_damaged_header_behind_the_first_loses_no_example_silently(shard: Path) -> None:
    good = shard.read_bytes()
    with tarfile.open(shard) as tar:
        headers = [member.offset for member in tar]
    for place in headers[1:]:
        content = bytearray(good)
        content[place + 150] ^= 1
        shard.write_bytes(content)
        with pytest.raises(ValueError, match=r"train-000000\.tar: truncated or no tar"):
            Examples(shard)
    shard.write_bytes(good + bytes(20_000))
    assert len(Examples(shard)) == 3


def test_the_index_beside_a_tar_counts_its_examples(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"shard": ["train/train-000000.tar"] * 3}), shard.parent.parent / "index.parquet")
    assert len(Examples(shard.parent)) == 3
    pq.write_table(pa.table({"shard": ["train/train-000000.tar"] * 4}), shard.parent.parent / "index.parquet")
    with pytest.raises(ValueError, match=r"has 3 examples, by .*index\.parquet 4"):
        Examples(shard.parent)
    monkeypatch.setattr("modeling.data.tar_checks.MAX_INDEXED", 4)
    pq.write_table(pa.table({"shard": ["train/train-000000.tar"] * 5}), shard.parent.parent / "index.parquet")
    with pytest.raises(ValueError, match=r"index\.parquet: .*5 rows, more than 4"):
        Examples(shard.parent)
    (shard.parent.parent / "index.parquet").write_bytes(b"no parquet")
    with pytest.raises(ValueError, match=r"index\.parquet"):
        Examples(shard.parent)


def test_an_archive_is_held_to_its_own_checksum(tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(200_000)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name in ("a.avi", "b.avi"):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = tmp_path / "videos.tar.gz"
    archive.write_bytes(gzip.compress(packed.getvalue(), compresslevel=0))
    targets = {"a": tmp_path / "out" / "a.avi"}
    assert extract_videos(archive, dict(targets)) == {}
    damaged = bytearray(archive.read_bytes())
    damaged[100_000] ^= 1
    archive.write_bytes(damaged)
    assert extract_videos(archive, dict(targets))["a"].reason == "archive_broken"
    assert not targets["a"].exists()


def external(file: h5py.File, secret: Path) -> h5py.Dataset:
    return file.create_dataset("cell", (16, 1), dtype="u2", external=[(str(secret), 0, 32)])


def virtual(file: h5py.File, secret: Path) -> h5py.Dataset:
    layout = h5py.VirtualLayout((4, 1), dtype="u2")
    layout[:] = h5py.VirtualSource(str(secret.with_suffix(".h5")), "x", (4, 1))
    return file.create_virtual_dataset("cell", layout)


def endless(file: h5py.File, _: Path) -> h5py.Dataset:
    cell = file.create_dataset("cell", (2, 1), dtype=h5py.ref_dtype)
    cell[...] = [[cell.ref], [cell.ref]]
    return cell


def huge(file: h5py.File, _: Path) -> h5py.Dataset:
    return file.create_dataset("cell", (10**11, 1), dtype="u2", chunks=(1024, 1))


def doubling(file: h5py.File, _: Path) -> h5py.Dataset:
    """A cell holds another cell twice, and so on, forty levels deep: 10^12 texts."""
    cell = file.create_dataset("text", data=np.full((4, 1), 97, np.uint16))
    for number in range(40):
        outer = file.create_dataset(f"d{number}", (2, 1), dtype=h5py.ref_dtype)
        outer[...] = [[cell.ref], [cell.ref]]
        cell = outer
    return cell


def wide(file: h5py.File, _: Path) -> h5py.Dataset:
    """A cell of 900 cells, each of 900 cells, each of 900 empty cells."""
    cell = file.create_dataset("empty", data=np.zeros(2, np.uint64))
    for number in range(3):
        outer = file.create_dataset(f"w{number}", (900, 1), dtype=h5py.ref_dtype)
        outer[...] = np.full((900, 1), cell.ref, h5py.ref_dtype)
        cell = outer
    return cell


def long(file: h5py.File, _: Path) -> h5py.Dataset:
    """A cell that refers 500 times to one text of 90 000 letters."""
    text = file.create_dataset("long", data=np.full((90_000, 1), 97, np.uint16), compression="gzip")
    cell = file.create_dataset("cell", (500, 1), dtype=h5py.ref_dtype)
    cell[...] = np.full((500, 1), text.ref, h5py.ref_dtype)
    return cell


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (external, "stored in another file"),
        (virtual, "stored in another file"),
        (endless, "deep"),
        (huge, "claims 100000000000 values"),
        (doubling, "deep"),
        (wide, "a cell holds more than"),
        (long, "a cell holds more than"),
    ],
)
def test_a_cell_that_is_stored_elsewhere_or_has_no_end_is_refused(tmp_path: Path, make: object, says: str) -> None:
    path = write(tmp_path / "bad.mat", [interval()])
    secret = tmp_path / "secret.txt"
    secret.write_text("token=abcdefghijklmnopqrstuvwxyz0123")
    with h5py.File(secret.with_suffix(".h5"), "w") as other:
        other["x"] = np.full((4, 1), 97, np.uint16)
    with h5py.File(path, "r+") as file:
        file["annos/ingredients"][0, 0] = make(file, secret).ref  # type: ignore[operator]
    with pytest.raises(ValueError, match=rf"bad\.mat: damaged, or not to be read .*{says}"):
        read_mpii(path, 1)


def test_rows_that_share_one_large_cell_cost_no_more_than_their_file(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.mat", [interval()] * 60)
    with h5py.File(path, "r+") as file:
        text = file.create_dataset("long", data=np.full((90_000, 1), 97, np.uint16), compression="gzip")
        file["annos/ingredients"][...] = np.full(file["annos/ingredients"].shape, text.ref, h5py.ref_dtype)
    with pytest.raises(ValueError, match=r"bad\.mat: .*repeat each other"):
        read_mpii(path, 1)


def test_a_cell_of_a_million_numbers_is_no_number(tmp_path: Path) -> None:
    path = write(tmp_path / "bad.mat", [interval()])
    with h5py.File(path, "r+") as file:
        large = file.create_dataset("large", data=np.zeros((1_000_000, 1)), compression="gzip")
        del file["annos/startFrame"]
        file["annos"].create_dataset("startFrame", (1, 1), h5py.ref_dtype)[0, 0] = large.ref
    with pytest.raises(ValueError, match=r"bad\.mat: .*claims 1000000 values"):
        read_mpii(path, 1)


@pytest.mark.parametrize("link", [h5py.ExternalLink("other.mat", "/annos"), h5py.SoftLink("/elsewhere")])
def test_a_link_to_another_file_is_not_followed(tmp_path: Path, link: object) -> None:
    write(tmp_path / "other.mat", [interval()])
    path = write(tmp_path / "bad.mat", [interval()])
    with h5py.File(path, "r+") as file:
        file.move("annos", "elsewhere")
        file["annos"] = link
    with pytest.raises(ValueError, match=r"bad\.mat: .*link to elsewhere"):
        read_mpii(path, 1)


def broken_index(text: str) -> object:
    return lambda folder: (folder / "model_index.json").write_text(text)


def changed(part: str, file: str, **changes: object) -> object:
    def change(folder: Path) -> None:
        path = folder / part / file
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return change


def of_weights(change: object) -> object:
    def apply(folder: Path) -> None:
        path = folder / "unet" / "diffusion_pytorch_model.safetensors"
        tensors = change(load_file(path))  # type: ignore[operator]
        path.unlink()
        save_file(tensors, path)

    return apply


@pytest.mark.parametrize(
    ("name", "break_it", "says"),
    [
        ("list", broken_index("[]"), "model_index.json is none"),
        ("null", broken_index("null"), "model_index.json is none"),
        ("empty", broken_index("{}"), "model_index.json is none"),
        ("empty_part", broken_index('{"unet": []}'), "model_index.json is none"),
        ("odd_part", broken_index('{"unet": [1, {}]}'), "model_index.json is none"),
        ("deep", broken_index("[" * 100_000), "model_index.json is none"),
        ("no_size", changed("unet", "config.json", sample_size=None), "sample_size"),
        ("schedule", changed("scheduler", "scheduler_config.json", beta_schedule="x"), "describes no DDIMScheduler"),
        ("half", of_weights(lambda every: dict(list(every.items())[: len(every) // 2])), "lacks 143 of 286 weights"),
        (
            "nan",
            of_weights(lambda every: {name: tensor * float("nan") for name, tensor in every.items()}),
            "not finite",
        ),
    ],
)
def test_a_pipeline_that_is_broken_is_named_with_what_is_wrong(
    tmp_path: Path, name: str, break_it: object, says: str
) -> None:
    folder = Path(shutil.copytree(EDITOR, tmp_path / name))
    break_it(folder)  # type: ignore[operator]
    with pytest.raises(ValueError, match=says) as told:
        Editor.load(folder, "cpu")
    assert name in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("notes", ["{}", "[]", "null", '{"a": null}', '{"a": {"file": "../x"}}', "[" * 100_000])
def test_notes_of_downloads_that_are_none_count_as_none(tmp_path: Path, notes: str) -> None:
    (tmp_path / NOTES).write_text(notes)
    checked = CheckedFiles(tmp_path)
    assert not checked.is_lost("a")
    assert not checked.holds("a", "a.mp4", None)
