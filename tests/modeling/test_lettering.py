"""Texts on pictures: signs of any script are drawn where this system has a font for them, else told."""

import shutil
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw

from modeling import lettering
from modeling.data.images import Picture
from modeling.lettering import fonts_for, letter

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
needs_fontconfig = pytest.mark.skipif(shutil.which("fc-match") is None, reason="no fontconfig here")


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    lettering._system_font.cache_clear()


def system_has(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this system's fonts be those of a folder."""
    config = tmp_path / "fonts.conf"
    config.write_text(
        f"<fontconfig><dir>{folder}</dir><cachedir>{tmp_path / 'cache'}</cachedir></fontconfig>", encoding="utf-8"
    )
    monkeypatch.setenv("FONTCONFIG_FILE", str(config))


def drawn(*pieces: tuple[str, str] | str, room_px: float = 400, instead: str = "") -> Picture:
    sheet = Image.new("RGB", (400, 24), "white")
    plain = [(piece, "black") if isinstance(piece, str) else piece for piece in pieces]
    letter(ImageDraw.Draw(sheet), (4, 2), plain, size_px=13, room_px=room_px, instead=instead)
    return np.asarray(sheet)


def columns(picture: Picture, colour: tuple[int, int, int]) -> list[int]:
    """Return the first and the last column with a pixel that is nearer to a colour than to any grey."""
    near = np.abs(picture.astype(int) - colour).sum(axis=2) < 200
    return [int(column) for column in np.flatnonzero(near.any(axis=0))[[0, -1]]]


@needs_fontconfig
@pytest.mark.parametrize(
    "text", ["открыть дверь", "άνοιξε το ψυγείο", "abre la ventana, señor", "افتح الثلاجة", "a → λ₁"]
)
def test_signs_that_pillows_font_lacks_are_drawn_in_a_font_that_has_them(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system_has(FONTS, tmp_path, monkeypatch)
    fonts = fonts_for(text, 13)
    assert not lettering._lacking(text, fonts)
    assert lettering._lacking(text, fonts[:1]), "a box would stand there"
    assert (drawn(text) < 128).any()
    assert (drawn(text) != drawn(text[::-1])).any()


@needs_fontconfig
def test_an_accent_stands_on_its_letter_however_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system_has(FONTS, tmp_path, monkeypatch)
    assert (drawn("la fene\u0302tre") == drawn("la fenêtre")).all()
    fonts = fonts_for("x\u0302y", 13)
    assert [run.text for run in lettering._runs("x\u0302y", "black", fonts)] == ["x\u0302", "y"]
    assert not lettering._lacking("x\u0302", fonts[1:]), "a letter without a composed form is drawn where its mark is"


@needs_fontconfig
def test_a_line_in_arabic_begins_at_its_right_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system_has(FONTS, tmp_path, monkeypatch)
    red, blue = (255, 0, 0), (0, 0, 255)
    for first, second, is_turned in (("افتح ", "الثلاجة", True), ("open ", "الثلاجة", False), ("افتح ", "door", True)):
        picture = drawn((first, "#ff0000"), (second, "#0000ff"))
        assert (columns(picture, red)[0] > columns(picture, blue)[1]) is is_turned
        assert (columns(picture, red)[1] < columns(picture, blue)[0]) is not is_turned


@needs_fontconfig
def test_blanks_around_english_words_in_an_arabic_line_stand_on_both_sides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system_has(FONTS, tmp_path, monkeypatch)
    red, blue = (255, 0, 0), (0, 0, 255)
    picture = drawn(("افتح ", "#ff0000"), ("door ", "#0000ff"), ("الثلاجة", "#ff0000"))
    is_red = (np.abs(picture.astype(int) - red).sum(axis=2) < 200).any(axis=0)
    first, last = columns(picture, blue)
    before, after = np.flatnonzero(is_red[:first]), np.flatnonzero(is_red[last + 1 :])
    assert first - before[-1] > 2
    assert after[0] > 2


@needs_fontconfig
def test_a_sign_that_no_font_has_is_written_as_its_code_and_a_text_of_such_signs_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system_has(FONTS, tmp_path, monkeypatch)
    assert (drawn("open 打", instead="row 1") == drawn("open U+6253")).all()
    assert (drawn("打\u200d开 open", instead="row 1") == drawn("U+6253U+5F00 open")).all(), "no box for a joiner"
    assert (drawn("打开冰箱", instead="row 1: no font") == drawn("row 1: no font")).all()


@pytest.mark.parametrize("text", ["打开冰箱", "открыть дверь"])
def test_without_fonts_or_without_fontconfig_the_other_text_stands_there(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    system_has(tmp_path / "empty", tmp_path, monkeypatch)
    assert (drawn(text, instead="row 1") == drawn("row 1")).all()
    lettering._system_font.cache_clear()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert (drawn(text, instead="row 1") == drawn("row 1")).all()


def test_a_line_that_is_too_long_ends_in_dots_within_its_room_and_controls_are_shown() -> None:
    whole, cut = drawn("open the door of the fridge"), drawn("open the door of the fridge", room_px=80)
    assert np.flatnonzero((whole < 128).any(axis=(0, 2)))[-1] > 100
    assert np.flatnonzero((cut < 128).any(axis=(0, 2)))[-1] <= 84
    assert (drawn("open\x1b") == drawn("open\\x1b")).all()
    assert (drawn("") == 255).all()
