"""Checks of a text file before its rows are read: its encoding, other kinds of files, the names of its columns."""

import codecs
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

_SAVE = "Save it as CSV UTF-8 in the program that made it"
_UNPACK = "Unpack it"
_MAGIC = {
    b"PK\x03\x04": ("a workbook of Excel or OpenDocument, or a zip archive", _SAVE),
    b"\xd0\xcf\x11\xe0": ("an old workbook of Excel", _SAVE),
    b"\x1f\x8b": ("packed by gzip", _UNPACK),
    b"BZh": ("packed by bzip2", _UNPACK),
    b"\xfd7zXZ": ("packed by xz", _UNPACK),
    b"\x28\xb5\x2f\xfd": ("packed by zstd", _UNPACK),
    b"SQLite format 3": ("a database of SQLite", "Write its table as CSV"),
    b"%PDF": ("a PDF", _SAVE),
    b"<!doctype": ("a page of HTML, as of a log-in or an error", "Fetch the file itself"),
    b"<html": ("a page of HTML, as of a log-in or an error", "Fetch the file itself"),
}
_SUFFIXES = dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"), "a workbook")
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
_BLANKS = " \t\r\n\v\f\u00a0\u200b\u2060\ufeff"


def encoding_of(path: Path) -> str:
    """Return the encoding that a byte order mark tells (Excel's Unicode text is UTF-16), else UTF-8.

    ValueError for UTF-16 without a mark: every other byte of its first letters is 0.
    """
    with path.open("rb") as file:
        head = file.read(64)
    marked = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
    if marked is not None and b"\0" not in head[4:]:
        raise ValueError(f"{path}: it begins as UTF-16 does, and is no such text. Save it as UTF-8.")
    if marked is None and len(head) > 8 and (not any(head[1:8:2]) or not any(head[0:8:2])):
        raise ValueError(f"{path}: its text is in UTF-16 and has no byte order mark. Save it as UTF-8.")
    return marked or "utf-8-sig"


def refuse_other_files(path: Path, suffixes: Sequence[str]) -> None:
    """Raise ValueError, with the kind of file and the remedy, for a file that is no table: a workbook, an archive, a
    page.
    """
    with path.open("rb") as file:
        head = file.read(64)
    kind_and_remedy = next(
        (entry for magic, entry in _MAGIC.items() if head.lstrip().lower().startswith(magic.lower())), None
    )
    if kind_and_remedy is None and path.suffix.lower() in _SUFFIXES:
        kind_and_remedy = (_SUFFIXES[path.suffix.lower()], _SAVE)
    if kind_and_remedy is not None:
        raise ValueError(
            f"{path}: this is {kind_and_remedy[0]}. {kind_and_remedy[1]}: a table is one of {', '.join(suffixes)}."
        )
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{path}: a table is one of {', '.join(suffixes)}. Rename or convert the file.")


def named(names: Iterable[object], where: str) -> list[str]:
    """Return names of columns without blanks and capitals; ValueError when two are one."""
    plain = [str(name).strip(_BLANKS).lower() for name in names]
    twice = [name for name, count in Counter(plain).items() if count > 1 and name]
    if twice:
        raise ValueError(f"{where}: column {twice[0]!r} is there twice. Remove or rename one.")
    return plain
