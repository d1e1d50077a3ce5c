"""A table of static edits (picture, instruction, expected picture) -> `Triple` records, for `--measure forgetting`.

    picture,instruction,expected[,id][,group]
    kitchen/001.jpg,make the cup red,kitchen/001_red.jpg

CSV, JSON lines or Parquet; a folder stands for its `triples.csv` (or .jsonl, .parquet). Pictures lie relative to the
table. `group`: what is alike and was drawn together, such as the film that pictures come from: intervals are clustered
by it; without it every picture is its own. The digest is of the table and of every picture, never of a path.
"""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from modeling.data.images import may_be_picture
from modeling.sheets import MAX_TEXT
from modeling.visible import is_unicode
from tasks.annotations.table_files import SUFFIXES, rows_of
from tasks.artifacts.artifact import Outside, digest_of
from tasks.artifacts.once import sha256_once

WANTED = ("picture", "instruction", "expected")


@dataclass(frozen=True, kw_only=True)
class Triple:
    """One static edit of a real editor's kind."""

    triple_id: str
    """The column `id`, or the picture's name and the place in the table."""
    group: str
    """Group of items that were drawn together."""
    instruction: str
    """The sentence."""
    picture: Path
    """The picture to edit."""
    expected: Path
    """The picture as it should become."""


def triples_table(source: Path) -> Path:
    """Return the table of a file or folder; ValueError where there is none."""
    if source.is_file():
        return source
    tables = [source / f"triples{suffix}" for suffix in SUFFIXES]
    for table in tables:
        if table.is_file():
            return table
    raise ValueError(
        f"forgetting.triples: {source} is no file, and there is no {tables[0]}. Give a table with the columns "
        f"{', '.join(WANTED)}, or the folder that holds it as triples.csv."
    )


def read_triples(source: Path) -> list[Triple]:
    """Read the table of a file or folder; ValueError names the row and the missing cell. The pictures are not read."""
    table, triples = triples_table(source), []
    with rows_of(table) as (columns, rows):
        lacking = [name for name in WANTED if columns is not None and name not in columns]
        if lacking:
            raise ValueError(
                f"{table}: no column {lacking[0]!r}; it wants {', '.join(WANTED)}, and maybe id and group."
            )
        for number, (where, row) in enumerate(rows, 1):
            given = {name: _text(row.get(name), f"{table}, {where}: {name}") for name in (*WANTED, "id", "group")}
            empty = [name for name in WANTED if not given[name]]
            if empty:
                raise ValueError(f"{table}, {where}: {empty[0]} is empty. Fill it in, or remove the row.")
            name = given["id"] or f"{number:04d}-{Path(given['picture']).stem}"
            triples.append(
                Triple(
                    triple_id=name,
                    group=given["group"] or name,
                    instruction=given["instruction"],
                    picture=table.parent / given["picture"],
                    expected=table.parent / given["expected"],
                )
            )
    names = [triple.triple_id for triple in triples]
    if len(triples) < 2 or len(set(names)) < len(names):
        twice = next((name for name, number in Counter(names).items() if number > 1), None)
        what = f"the id {twice!r} is there twice" if twice else f"{len(triples)} rows, and an interval wants 2"
        raise ValueError(f"{table}: {what}.")
    return triples


def _text(value: object, where: str) -> str:
    """Return a cell as a text; ValueError for a list or object, and for a text that is none or too long."""
    text = "" if value is None else str(value).strip()
    if isinstance(value, list | dict) or len(text) > MAX_TEXT:
        raise ValueError(f"{where} is no text of up to {MAX_TEXT} characters.")
    if not is_unicode(text):
        raise ValueError(f"{where} holds half of a surrogate pair, which is no Unicode text.")
    return text


def outside_triples(source: Path) -> Outside:
    """Return the table as a stage's input; a picture that is missing is part of the digest as missing."""
    table = triples_table(source)
    digests = {"table": sha256_once(table)}
    for triple in read_triples(table):
        for name, path in (("picture", triple.picture), ("expected", triple.expected)):
            digests[f"{triple.triple_id} {name}"] = sha256_once(path) if may_be_picture(path) else "missing"
    return Outside(location=str(table), digest=digest_of(digests))
