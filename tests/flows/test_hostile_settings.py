"""Files of settings and captions that anybody may have written: one short line names the file or the setting."""

from pathlib import Path
from typing import Any

import pytest

from flows.wiring.captions import read_captions
from flows.wiring.presets import preset
from flows.wiring.settings import dotted_settings, parse_settings, read_settings, with_settings

NOT_JSON: list[bytes] = [b"[" * 100_000, b'{"a": 1' + b"0" * 5_000 + b"}", b'{"a": "\\ud800"}', b'{"a": "\xe9"}', b""]


@pytest.mark.parametrize("content", NOT_JSON)
def test_what_is_no_json_is_told_by_its_file(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"x\.json: this is no JSON"):
        read_captions(str(tmp_path / "x.json"))
    with pytest.raises(ValueError, match=r"x\.json: this is no JSON"):
        read_settings(tmp_path / "x.json")


@pytest.mark.parametrize("content", ["segment_id,caption\ns1,a cup\n", '["a cup"]', '{"s1": 3}'])
def test_captions_of_another_layout_are_told_which_is_wanted(content: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r'x\.json: .*one JSON object in UTF-8: \{"SEGMENT_ID"'):
        read_captions(str(tmp_path / "x.json"))


def test_a_byte_order_mark_before_captions_is_no_caption(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"s1": "a cup"}', encoding="utf-8-sig")
    assert read_captions(str(tmp_path / "x.json")) == {"s1": "a cup"}


def test_a_caption_of_a_book_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"s1": "' + "a" * 10_001 + '"}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.json: the caption of 's1' is longer than 10000"):
        read_captions(str(tmp_path / "x.json"))


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e400", "1" + "0" * 400, "[[1, NaN]]", '"' + "x" * 9_999 + '"'])
def test_numbers_that_are_none_are_refused_in_a_short_line(value: str, tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(f'{{"editor.learning_rate": {value}}}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"editor\.learning_rate is ") as told:
        with_settings(preset("demo"), dict(dotted_settings(read_settings(tmp_path / "x.json"))))
    assert len(str(told.value)) < 400


@pytest.mark.parametrize("value", ["[" * 100_000, "[" * 900 + "]" * 900, "1" + "0" * 5_000])
def test_a_nested_or_endless_value_of_set_is_refused_by_its_setting(value: str) -> None:
    given: dict[str, Any] = parse_settings([f"editor.num_steps={value}"])
    with pytest.raises(ValueError, match=r"editor\.num_steps is "):
        with_settings(preset("demo"), given)
