"""Pairs from elsewhere become shards, and shards become pairs for others. There and back they stay the same."""

import csv
import io
import json
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image

from flows.commands.cli import cli
from modeling.data.images import decode_image, encode_jpeg, encode_png
from modeling.data.loader import Examples
from modeling.data.tars import write_shard
from tasks.exports.control_folders import export_control_folders, formulas_in, missing_partners
from tasks.exports.hugging_face import export_hf_parquet
from tasks.imports.layouts import layout_of
from tasks.imports.write import import_pairs
from tests.support.drawn_examples import example


def nothing(done, total):
    pass


@pytest.fixture
def shards(tmp_path):
    """Make seven training pairs in two tars (one key is in another script) and three test pairs in one tar."""
    folder = tmp_path / "shards"
    by_tar = {"train-000000": range(4), "train-000001": range(4, 7), "test3-000000": range(7, 10)}
    for tar, numbers in by_tar.items():
        split = tar.split("-")[0]
        (folder / split).mkdir(parents=True, exist_ok=True)
        made = [
            example(
                f"é{n}" if n == 2 else f"v{n % 2}-{n:06d}",
                seed=n,
                split=split,
                video_id=f"v{n % 2}",
                instruction=f'put "it", {n}\u2028then',
                encoder=encode_jpeg if n == 3 else encode_png,
                overlaps=n == 1,
            )
            for n in numbers
        ]
        write_shard(folder / split / f"{tar}.tar", made)
    return folder


def examples_of(folder, split=None):
    return [imported for imported in Examples(folder) if split in (None, imported.split)]


def test_hf_parquet_there_and_back_gives_the_same_tars(shards, tmp_path):
    export_hf_parquet(shards, tmp_path / "hf", nothing)
    counts = import_pairs(tmp_path / "hf", tmp_path / "back", examples_per_shard=4)
    assert counts == {"layout": "parquet", "pairs": {"test3": 3, "train": 7}, "rejected": {}}
    for tar in shards.rglob("*.tar"):
        assert (tmp_path / "back" / tar.relative_to(shards)).read_bytes() == tar.read_bytes()
    index = pq.read_table(tmp_path / "back" / "index.parquet").to_pylist()
    assert [row["segment_id"] for row in index if row["shard"] == "train/train-000001.tar"] == [
        "v0-000004",
        "v1-000005",
        "v0-000006",
    ]


def test_control_folders_there_and_back_give_the_same_examples(shards, tmp_path):
    assert export_control_folders(shards, tmp_path / "c", "train", nothing) == {"train": 7}
    for name in ("control", "target"):
        pictures = sorted(path.name for path in (tmp_path / "c" / name).iterdir() if path.suffix != ".txt")
        assert len(pictures) == 7
        assert "v1-000003.jpg" in pictures
    assert (tmp_path / "c" / "target" / "v0-000000.txt").read_text() == 'put "it", 0\u2028then'
    rows = list(csv.DictReader((tmp_path / "c" / "metadata.csv").open(newline="", encoding="utf-8")))
    assert all((tmp_path / "c" / row[name]).is_file() for row in rows for name in ("image", "edit_image"))
    import_pairs(tmp_path / "c", tmp_path / "back")
    assert examples_of(tmp_path / "back") == examples_of(shards, "train")


def test_a_trainer_s_table_keeps_formulas_to_the_letter_and_counts_them(tmp_path):
    formula = '=HYPERLINK("http://a.org")'
    shard = tmp_path / "s" / "train" / "train-000000.tar"
    shard.parent.mkdir(parents=True)
    write_shard(shard, [example("a", instruction=formula), example("b", instruction="open door")])
    export_control_folders(tmp_path / "s", tmp_path / "c", "train", nothing)
    rows = list(csv.DictReader((tmp_path / "c" / "metadata.csv").open(newline="", encoding="utf-8")))
    assert [row["prompt"] for row in rows] == [formula, "open door"]
    assert formulas_in(tmp_path / "c") == 1


def test_without_our_own_notes_control_folders_still_give_pictures_and_instructions(shards, tmp_path):
    export_control_folders(shards, tmp_path / "c", "train", nothing)
    for name in ("pairs.jsonl", "metadata.csv"):
        (tmp_path / "c" / name).unlink()
    import_pairs(tmp_path / "c", tmp_path / "back")
    plain = {(e.segment_id, e.instruction, e.source_file, e.edited_file) for e in examples_of(tmp_path / "back")}
    assert plain == {(e.segment_id, e.instruction, e.source_file, e.edited_file) for e in examples_of(shards, "train")}


def test_pictures_of_two_formats_get_one_name_and_keep_their_pixels(tmp_path):
    plain = example(seed=1)
    mixed = example(seed=1, source_file=encode_jpeg(plain.source_image))
    (tmp_path / "s" / "train").mkdir(parents=True)
    write_shard(tmp_path / "s" / "train" / "train-000000.tar", [mixed])
    export_control_folders(tmp_path / "s", tmp_path / "c", "train", nothing)
    names = [path.name for name in ("control", "target") for path in (tmp_path / "c" / name).glob("*.*g")]
    assert names == [f"{mixed.segment_id}.png"] * 2
    shown = decode_image((tmp_path / "c" / "control" / names[0]).read_bytes())
    assert np.array_equal(shown, mixed.source_image)


def test_a_missing_partner_is_found_on_every_side(shards, tmp_path):
    export_control_folders(shards, tmp_path / "c", "train", nothing)
    assert missing_partners(tmp_path / "c") == []
    (tmp_path / "c" / "control" / "v0-000000.png").unlink()
    (tmp_path / "c" / "target" / "v1-000001.png").unlink()
    (tmp_path / "c" / "target" / "v1-000003.txt").unlink()
    missing = ["control/v0-000000.png", "target/v1-000001.png", "target/v1-000003.txt"]
    assert missing_partners(tmp_path / "c") == missing
    (tmp_path / "c" / "pairs.jsonl").unlink()
    counts = import_pairs(tmp_path / "c", tmp_path / "back")
    assert counts["rejected"] == {"missing_partner": 2, "no_instruction": 1}
    assert counts["pairs"] == {"train": 4}


def test_a_split_that_is_not_there_or_a_folder_that_is_leaves_nothing(shards, tmp_path):
    with pytest.raises(ValueError, match="test3, train"):
        export_control_folders(shards, tmp_path / "c", "test", nothing)
    assert not (tmp_path / "c").exists()
    with pytest.raises(ValueError, match="there already"):
        export_control_folders(shards, shards, "train", nothing)
    with pytest.raises(ValueError, match="there already"):
        import_pairs(shards, shards)


def png(seed, size=8):
    return encode_png(np.random.default_rng(seed).integers(0, 256, (size, size + 2, 3), dtype=np.uint8))


def write_parquet(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path)
    return path


def image(seed):
    return {"bytes": png(seed), "path": None}


def test_instruct_pix2pix_on_the_hub_is_read(tmp_path):
    rows = [
        {
            "original_prompt": "a",
            "original_image": image(n),
            "edit_prompt": "make it red",
            "edited_prompt": "b",
            "edited_image": image(n + 9),
        }
        for n in range(3)
    ]
    write_parquet(tmp_path / "in" / "data" / "train-00000-of-00001.parquet", rows)
    assert import_pairs(tmp_path / "in", tmp_path / "out")["pairs"] == {"train": 3}
    first = examples_of(tmp_path / "out")[0]
    assert (first.instruction, first.verb, first.source_file, first.edited_file) == (
        "make it red",
        "make",
        png(0),
        png(9),
    )
    assert first.segment_id == "train-00000-of-00001-000001"


def test_magicbrush_keeps_the_turns_of_a_picture_in_one_group_and_dev_is_validation(tmp_path):
    def rows(ids):
        return [
            {
                "img_id": i,
                "turn_index": t,
                "source_img": image(1),
                "mask_img": image(2),
                "instruction": "add a cat",
                "target_img": image(3),
            }
            for i, t in ids
        ]

    write_parquet(tmp_path / "in" / "train-0.parquet", rows([(str(i), t) for i in range(10) for t in (1, 2, 3)]))
    write_parquet(tmp_path / "in" / "dev-0.parquet", rows([("99", 1)]))
    counts = import_pairs(tmp_path / "in", tmp_path / "out", num_test=7)
    assert counts["pairs"] == {"test6": 6, "train": 24, "validation": 1}
    by_group = {}
    for imported in examples_of(tmp_path / "out"):
        by_group.setdefault(imported.video_id, set()).add(imported.split)
    assert all(len(splits) == 1 for splits in by_group.values())
    assert "5-3" in {imported.segment_id for imported in examples_of(tmp_path / "out")}


def test_instruct_pix2pixs_own_folders_are_read_with_every_seed(tmp_path):
    for name, instruction in (("0000001", "make it red"), ("0000002", "make it blue")):
        folder = tmp_path / "in" / name
        folder.mkdir(parents=True)
        (folder / "prompt.json").write_text(json.dumps({"input": "a", "edit": instruction, "output": "b"}))
        for seed in (11, 22):
            for part in (0, 1):
                (folder / f"{seed}_{part}.jpg").write_bytes(encode_jpeg(decode_image(png(seed + part))))
    (tmp_path / "in" / "0000002" / "22_1.jpg").unlink()
    (tmp_path / "in" / "0000003").mkdir()
    (tmp_path / "in" / "0000003" / "prompt.json").write_text("[1")
    counts = import_pairs(tmp_path / "in", tmp_path / "out")
    assert counts["rejected"] == {"bad_prompt": 1, "missing_partner": 1}
    assert [imported.segment_id for imported in examples_of(tmp_path / "out")] == [
        "0000001-11",
        "0000001-22",
        "0000002-11",
    ]


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_table_beside_its_pictures_is_read_and_leads_nowhere_else(tmp_path, name):
    folder = tmp_path / "in"
    folder.mkdir()
    for file in ("a.png", "b.png"):
        (folder / file).write_bytes(png(1))
    (tmp_path / "secret.png").write_bytes(png(2))
    rows = [
        {"before": "a.png", "after": "b.png", "instruction": "open door"},
        {"before": "../secret.png", "after": "b.png", "instruction": "open door"},
        {"before": str(tmp_path / "secret.png"), "after": "b.png", "instruction": "open door"},
        {"before": "a.png", "after": "b.png", "instruction": " "},
    ]
    with (folder / name).open("w", newline="") as file:
        if name.endswith("csv"):
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        else:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    counts = import_pairs(folder, tmp_path / "out")
    assert counts == {"layout": "table", "pairs": {"train": 1}, "rejected": {"missing_partner": 2, "no_instruction": 1}}
    listed = [json.loads(line) for line in (tmp_path / "out" / "rejected.jsonl").read_text().splitlines()]
    assert [row["status"] for row in listed] == ["failed", "failed", "filtered"]


def test_pictures_that_cannot_be_read_are_counted_and_others_become_png_or_the_size_asked_for(tmp_path):
    webp = io.BytesIO()
    Image.fromarray(decode_image(png(5, 20))).save(webp, "WEBP", lossless=True)
    contents = [png(1, 20), webp.getvalue(), png(1)[:40], b"<html>", None]
    rows = [{"before": {"bytes": content, "path": "x"}, "after": image(2), "text": "open door"} for content in contents]
    write_parquet(tmp_path / "in.parquet", rows)
    counts = import_pairs(tmp_path / "in.parquet", tmp_path / "out")
    assert counts["rejected"] == {"missing_partner": 1, "unreadable_picture": 2}
    kept = examples_of(tmp_path / "out")
    assert kept[0].source_file == png(1, 20)
    assert np.array_equal(kept[1].source_image, decode_image(png(5, 20)))
    import_pairs(tmp_path / "in.parquet", tmp_path / "small", size_px=16)
    assert {imported.edited_image.shape for imported in examples_of(tmp_path / "small")} == {(16, 16, 3)}


def test_a_split_from_elsewhere_is_never_a_path(tmp_path):
    row = {
        "source_image": image(1),
        "edited_image": image(2),
        "instruction": "open",
        "split": "../../evil",
        "segment_id": "../x",
    }
    write_parquet(tmp_path / "in.parquet", [row])
    import_pairs(tmp_path / "in.parquet", tmp_path / "a" / "b" / "out")
    (only,) = examples_of(tmp_path / "a" / "b" / "out")
    assert (only.split, "/" in only.segment_id) == ("train", False)
    assert not (tmp_path / "a" / "evil").exists()


def test_what_is_no_layout_is_said_with_those_that_are(tmp_path):
    with pytest.raises(ValueError, match=r"prompt\.json"):
        layout_of(tmp_path)
    write_parquet(tmp_path / "in.parquet", [{"a": 1}])
    with pytest.raises(ValueError, match="no columns for the pictures"):
        import_pairs(tmp_path / "in.parquet", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ValueError, match="no such file"):
        import_pairs(tmp_path / "none", tmp_path / "out")


def test_the_commands_do_both_ways(shards, tmp_path):
    def run(*arguments):
        return CliRunner().invoke(cli, [str(argument) for argument in arguments])

    there = run("export", "--to", "control-folders", "--shards", shards, "--out", tmp_path / "c")
    assert there.exit_code == 0, there.output
    assert "3 to 4 pairs" in str(run("import-pairs", tmp_path / "c", "--out", tmp_path / "back", "--test", 2).exception)
    back = run("import-pairs", tmp_path / "c", "--out", tmp_path / "back", "--test", 4)
    assert back.exit_code == 0, back.output
    assert sum(1 for _ in Examples(tmp_path / "back")) == 7
    (tmp_path / "c" / "control" / "v0-000000.png").unlink()
    assert run("import-pairs", tmp_path / "c", "--out", tmp_path / "less").exit_code == 3


def test_a_small_file_that_unpacks_to_gigabytes_takes_little_memory_and_its_rows_are_counted(tmp_path):
    """A text of 10 MB stands once in the file and 200 times in its column."""
    rows = 200
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), ["x" * 10_000_000])
    table = pa.table({"source_image": [image(1)] * rows, "edited_image": [image(2)] * rows, "instruction": texts})
    pq.write_table(table, tmp_path / "in.parquet", compression="zstd", store_schema=False)
    code = (
        "import resource, sys\nfrom pathlib import Path\nfrom tasks.imports.write import import_pairs\n"
        "try:\n    import_pairs(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except ValueError as error:\n    print(error)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "in.parquet"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        check=True,
    )
    said, peak_kb = done.stdout.splitlines()
    assert "none of 200 pairs can be used: {'text_too_long': 200}" in said
    assert int(peak_kb) < 2_000_000
