"""Pairs and pictures that anybody may have made: each fault is counted by its reason, or a line names file and row."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from modeling.editors.channels import channels_of
from modeling.editors.made_before import files_of, picture_or_reason
from tasks.imports.pictures import outside_pictures
from tasks.imports.write import import_pairs

HEADER = "segment_id,seed,picture\n"


def picture(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros((16, 16, 3), np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    "rows",
    [
        "a,0,a.png\na,0,b.png\n",
        'a,0,"a.png\nb,0,b.png\n',
        "a,1" + "0" * 30 + ",a.png\n",
        "a,\u0661,a.png\n",
        "a,0," + "x" * 200_000 + "\n",
        "a,0\n",
    ],
)
def test_a_table_of_edits_is_refused_by_its_row(rows: str, tmp_path: Path) -> None:
    (tmp_path / "e.csv").write_text(HEADER + rows, encoding="utf-8")
    with pytest.raises(ValueError, match=r"e\.csv.* row \d"):
        files_of(tmp_path / "e.csv")


def test_two_files_of_one_edit_are_told(tmp_path: Path) -> None:
    picture(tmp_path / "1" / "a.png")
    picture(tmp_path / "1" / "a.jpg")
    with pytest.raises(ValueError, match=r"a\.jpg and 1/a\.png are both of a, seed 1"):
        files_of(tmp_path)


def test_names_that_no_file_has_and_endless_files_are_missing_or_unreadable(tmp_path: Path) -> None:
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(40 << 30)
    names = {"long": "x" * 5_000 + ".png", "nul": "a\0b.png", "huge": "huge.png"}
    (tmp_path / "e.csv").write_text(HEADER + "".join(f"{name},0,{place}\n" for name, place in names.items()))
    outside_pictures(tmp_path / "e.csv")
    files = files_of(tmp_path / "e.csv")
    reasons = [picture_or_reason(files[0, name], 1) for name in names]
    assert reasons == ["edit_missing", "edit_missing", "edit_unreadable"]


def test_links_out_of_a_folder_of_pairs_are_not_followed(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("my password", encoding="utf-8")
    outside, pairs = picture(tmp_path / "outside.png"), tmp_path / "pairs"
    for name in ("good", "text", "seen", "loop"):
        for folder in ("control", "target"):
            picture(pairs / folder / f"{name}.png")
        (pairs / "target" / f"{name}.txt").write_text("open the door", encoding="utf-8")
    for link, to in (("target/text.txt", secret), ("control/seen.png", outside), ("target/loop.txt", "loop.txt")):
        (pairs / link).unlink()
        (pairs / link).symlink_to(to)
    counts = import_pairs(pairs, tmp_path / "out")
    assert counts["pairs"] == {"train": 1}
    assert Counter(counts["rejected"]) == {"no_instruction": 2, "missing_partner": 1}
    assert not any(b"password" in path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())


def test_prompts_that_are_none_are_counted(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    for number, text in enumerate(["[" * 90_000, "[]", "3", '{"edit": "\\ud800"}', '{"edit": "open it"}']):
        picture(pairs / str(number) / "7_0.png")
        picture(pairs / str(number) / "7_1.png")
        (pairs / str(number) / "prompt.json").write_text(text, encoding="utf-8")
    (pairs / "folder" / "prompt.json").mkdir(parents=True)
    counts = import_pairs(pairs, tmp_path / "out")
    assert counts["pairs"] == {"train": 1}
    assert counts["rejected"] == {"bad_prompt": 5}


@pytest.mark.parametrize("line", ["[1]", '{"before": "\\ud800"}', "[" * 90_000])
def test_a_line_that_is_no_object_is_told(line: str, tmp_path: Path) -> None:
    row = {"before": "a.png", "after": "a.png", "instruction": "open it"}
    picture(tmp_path / "pairs" / "a.png")
    (tmp_path / "pairs" / "pairs.jsonl").write_text(json.dumps(row) + "\n" + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"pairs\.jsonl: line 2 is no"):
        import_pairs(tmp_path / "pairs", tmp_path / "out")


@pytest.mark.parametrize("name", ["x" * 5_000, "loop.png", "../a.png"])
def test_a_picture_that_cannot_be_there_is_missing(name: str, tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    picture(tmp_path / "pairs" / "a.png")
    (tmp_path / "pairs" / "loop.png").symlink_to("loop.png")
    rows = [{"before": file, "after": "a.png", "instruction": "open it"} for file in ("a.png", name)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "pairs" / "pairs.jsonl").write_text(lines, encoding="utf-8")
    assert import_pairs(tmp_path / "pairs", tmp_path / "out")["rejected"] == {"missing_partner": 1}


@pytest.mark.parametrize(
    ("unet", "vae"),
    [([], {}), ({}, None), ({"in_channels": "x"}, {}), ({}, {}), ({}, {"block_out_channels": [1] * 99})],
)
def test_configs_of_a_start_are_told_by_their_file(unet: Any, vae: Any, tmp_path: Path) -> None:
    for part, content in (("unet", unet), ("vae", vae)):
        (tmp_path / part).mkdir()
        (tmp_path / part / "config.json").write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ValueError, match=r"config\.json: "):
        channels_of(tmp_path)
