"""Shards for others: Parquet with two image columns, and both forms as Hugging Face `datasets` reads them."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from huggingface_hub import DatasetCard
from PIL import Image

from flows.commands.cli import cli
from modeling.data.example import METADATA, metadata_of
from modeling.data.loader import Examples
from tasks.config import ShardsConfig, SplitsConfig
from tasks.exports.hugging_face import export_hf_parquet
from tasks.shards import shards
from tasks.splits import splits
from tests.support.drawn_frames import draw_frames


@pytest.fixture
def made(tmp_path):
    """Make shards of 12 drawn pairs: 3 to test and 9 to train on, 4 in a tar."""
    frames = draw_frames(tmp_path / "workspace", num_pairs=12)
    split = splits.run(tmp_path / "workspace", "t", SplitsConfig(num_test=3), frames=frames.path)
    inputs = {"frames": frames.path, "splits": split.path}
    return shards.run(tmp_path / "workspace", "t", ShardsConfig(examples_per_shard=4), **inputs).path


def export(shard_folder, out):
    progress = []
    sizes = export_hf_parquet(shard_folder, out, lambda *counts: progress.append(counts))
    assert progress[-1] == (len(progress), len(progress))
    return sizes


def test_every_example_is_a_row_of_its_split_with_the_bytes_of_its_pictures(made, tmp_path):
    assert export(made, tmp_path / "hf") == {"test3": 3, "train": 9}
    names = sorted(path.name for path in (tmp_path / "hf" / "data").iterdir())
    assert names == ["test3-00000-of-00001.parquet", *(f"train-0000{n}-of-00003.parquet" for n in range(3))]
    rows = [row for name in names for row in pq.read_table(tmp_path / "hf" / "data" / name).to_pylist()]
    for row, example in zip(rows, Examples(made), strict=True):
        assert {name: row[name] for name in METADATA} == metadata_of(example)
        for name, file in (("source", example.source_file), ("edited", example.edited_file)):
            assert row[f"{name}_image"] == {"bytes": file, "path": f"{example.segment_id}.{name}.png"}


def test_the_schema_says_which_columns_are_images_in_the_form_that_datasets_reads(made, tmp_path):
    export(made, tmp_path / "hf")
    schema = pq.read_schema(tmp_path / "hf" / "data" / "test3-00000-of-00001.parquet")
    features = json.loads(schema.metadata[b"huggingface"])["info"]["features"]
    assert [name for name in features if features[name] == {"_type": "Image"}] == ["source_image", "edited_image"]
    assert features["instruction"] == {"dtype": "string", "_type": "Value"}
    assert schema.field("source_image") == pa.field("source_image", pa.struct({"bytes": pa.binary(), "path": "string"}))
    assert all(field.nullable for field in schema)


def test_the_card_names_files_and_features_where_the_hub_looks_for_them(made, tmp_path):
    export(made, tmp_path / "hf")
    data = DatasetCard.load(tmp_path / "hf" / "README.md").data
    (config,) = data.configs
    for entry in config["data_files"]:
        assert len(list((tmp_path / "hf").glob(entry["path"]))) == {"test3": 1, "train": 3}[entry["split"]]
    schema = pq.read_schema(tmp_path / "hf" / "data" / "test3-00000-of-00001.parquet")
    assert [feature["name"] for feature in data.dataset_info["features"]] == schema.names


def test_equal_shards_give_equal_bytes_and_a_folder_that_is_there_is_not_touched(made, tmp_path):
    for name in ("a", "b"):
        export(made, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert len(files) == 5
    assert all((tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes() for name in files)
    with pytest.raises(ValueError, match="there already"):
        export(made, tmp_path / "a")


def test_a_damaged_tar_leaves_no_half_export(made, tmp_path):
    tar = made / "train" / "train-000001.tar"
    tar.write_bytes(tar.read_bytes()[:5000])
    with pytest.raises(ValueError, match="train-000001"):
        export(made, tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_the_command_exports_the_newest_shards(made, tmp_path):
    out = str(tmp_path / "hf")
    arguments = ["export", "--to", "hf-parquet", "--workspace", str(tmp_path / "workspace"), "--out", out]
    done = CliRunner().invoke(cli, arguments)
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, f'{out}: {{"test3": 3, "train": 9}}')
    again = CliRunner().invoke(cli, arguments)
    assert "there already" in str(again.exception)


def loaded(*arguments, **options):
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    return datasets.load_dataset(*arguments, **options)


def pixels(file):
    return np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))


def test_datasets_reads_the_export_as_a_two_image_dataset(made, tmp_path):
    export(made, tmp_path / "hf")
    pairs = loaded(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(rows) for split, rows in pairs.items()} == {"test3": 3, "train": 9}
    for row, example in zip(pairs["train"], Examples(made / "train"), strict=True):
        assert row["instruction"] == example.instruction
        assert np.array_equal(np.asarray(row["source_image"].convert("RGB")), pixels(example.source_file))
        assert np.array_equal(np.asarray(row["edited_image"].convert("RGB")), pixels(example.edited_file))


def test_datasets_reads_the_tars_as_a_two_image_dataset(made, tmp_path):
    files = {"train": sorted(map(str, (made / "train").glob("*.tar")))}
    pairs = loaded("webdataset", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    for row, example in zip(pairs, Examples(made / "train"), strict=True):
        assert row["json"] == metadata_of(example)
        assert np.array_equal(np.asarray(row["source.png"].convert("RGB")), pixels(example.source_file))
        assert np.array_equal(np.asarray(row["edited.png"].convert("RGB")), pixels(example.edited_file))
