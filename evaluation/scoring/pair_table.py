"""Candidates of every split <-> one Parquet of per-pair scores, from which every table can be made again.

A row is a pair under one editor, training seed and sampling seed; the columns of measures are those of
evaluation/scoring/measures.py, null where a pair has no value. What is no value of a pair (the classifier's accuracy,
the features' names, FID between the halves of the ground truth) is in the file's own metadata. pandas reads it.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from evaluation.scoring.measures import MEASURES
from evaluation.scoring.rows import Candidate, SplitPairs, split_table
from modeling.apart import apart
from modeling.json_text import parse_json

METADATA = b"editaction_scores"
FILE = "scores.parquet"
MAX_ROWS = 5_000_000
"""A hundred systems on 50 000 pairs."""
MEMORY = 4 << 30
"""Bytes that reading it may take."""
TEXTS = ("split", "editor", "name", "kind", "segment_id", "video_id", "verb")
SEEDS = ("training_seed", "seed")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in TEXTS]
    + [(name, pa.int64()) for name in SEEDS]
    + [(measure.column, pa.float64()) for measure in MEASURES]
)
Split = tuple[SplitPairs, Sequence[Candidate]]
Seeds = tuple[int | None, int]
"""Training seed and sampling seed; None where one editor made all edits."""


def write_pair_table(path: Path, splits: Sequence[Split], header: Mapping[str, Any]) -> None:
    """Write the file; `header` is what scores.json has beside its splits."""
    tables = [_table(candidate, pairs) for pairs, candidates in splits for candidate in candidates]
    halves = {pairs.split: dict(pairs.halves) for pairs, _ in splits}
    content = json.dumps({"header": dict(header), "halves": halves}, sort_keys=True)
    pq.write_table(pa.concat_tables(tables).replace_schema_metadata({METADATA: content}), path, compression="zstd")


def _table(candidate: Candidate, pairs: SplitPairs) -> pa.Table:
    num_pairs, num_columns = len(pairs.segment_ids), len(candidate.seeds)
    of_row = {"split": pairs.split, "editor": candidate.editor, "name": candidate.name, "kind": candidate.kind}
    columns: dict[str, Any] = {name: [value] * (num_pairs * num_columns) for name, value in of_row.items()}
    for name, values in (("segment_id", pairs.segment_ids), ("video_id", pairs.video_ids), ("verb", pairs.verbs)):
        columns[name] = list(values) * num_columns
    trained = candidate.training_seeds or (None,) * num_columns
    columns["training_seed"] = [seed for seed in trained for _ in range(num_pairs)]
    columns["seed"] = [seed for seed in candidate.seeds for _ in range(num_pairs)]
    for measure in MEASURES:
        table = candidate.values.get(measure.column)
        flat = np.full(num_pairs * num_columns, np.nan) if table is None else table.T.ravel()
        columns[measure.column] = pa.array(flat, from_pandas=True)
    return pa.table(columns, schema=SCHEMA)


def read_pair_table(path: Path) -> tuple[list[Split], dict[str, Any]]:
    """Return the splits and the header; ValueError for a file that is no table of pair scores.

    Anybody may have written it: it is read by a helper (modeling/apart.py), whose memory is bounded.
    """
    [(metadata, columns, values)] = apart(_read_columns, path, memory=MEMORY)
    with told_as_damage(path):
        _check_values(columns, values)
        content = parse_json(metadata)
        splits: list[Split] = []
        for split in dict.fromkeys(columns["split"]):
            places = [place for place, column in enumerate(columns["split"]) if column == split]
            splits.append(_split(split, places, columns, values, content["halves"][split]))
        return splits, dict(content["header"])


@contextmanager
def told_as_damage(path: Path) -> Iterator[None]:
    """Turn what comes of missing or odd values in such a table into a ValueError that names it."""
    try:
        yield
    except (KeyError, TypeError, IndexError, AttributeError, ValueError, ArithmeticError, RecursionError) as error:
        what = str(error).splitlines()[0][:200] if str(error) else ""
        raise ValueError(
            f"{path} is damaged, or no table of pair scores ({type(error).__name__}: {what}). The scores stage "
            f"writes {FILE}."
        ) from error


def _read_columns(path: Path) -> Iterator[tuple[bytes, dict[str, list[Any]], dict[str, Any]]]:
    """Yield once the metadata, the columns of texts and seeds, and those of numbers, float64 [rows]."""
    try:
        file = pq.ParquetFile(path)
        if file.metadata.num_rows > MAX_ROWS:
            raise ValueError(f"{path}: {file.metadata.num_rows} rows; at most {MAX_ROWS} are read.")
        metadata = (file.schema_arrow.metadata or {}).get(METADATA)
        names = file.schema_arrow.names
        lacking = [name for name in (*TEXTS, *SEEDS) if name not in names]
        if metadata is None or lacking:
            what = "it lacks the project's metadata, which other programs lose when they write the table again"
            what = f"it lacks the column {lacking[0]}" if lacking else what
            raise ValueError(f"{path} is no table of pair scores: {what}. The scores stage writes {FILE}.")
        if not file.metadata.num_rows:
            raise ValueError(f"{path} is a table of pair scores without a row. The scores stage writes {FILE}.")
        # A file may be older than a measure, which it then lacks.
        schema = pa.schema([field for field in SCHEMA if field.name in names])
        table = file.read(columns=schema.names, use_threads=False)
        # In our own types: texts and lists in place of numbers are refused here.
        table = table.select(schema.names).cast(schema)
    except pa.ArrowMemoryError as error:
        raise MemoryError from error
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{path} is not a readable Parquet file: {error}") from error
    columns = {name: table.column(name).to_pylist() for name in (*TEXTS, *SEEDS)}
    known = [measure.column for measure in MEASURES if measure.column in schema.names]
    values = {name: table.column(name).to_numpy(zero_copy_only=False) for name in known}
    yield metadata, columns, values


def _check_values(columns: Mapping[str, Sequence[Any]], values: Mapping[str, Any]) -> None:
    """ValueError for a row without a name, an endless number, or a share that is not from 0 to 1."""
    for name in TEXTS:
        if any(text is None for text in columns[name]):
            raise ValueError(f"a row has no {name}")
    for measure in MEASURES:
        if (column := values.get(measure.column)) is None:
            continue
        low, high = measure.bounds or (-np.finfo(np.float64).max, np.finfo(np.float64).max)
        if (outside := (column < low) | (column > high)).any():
            raise ValueError(f"{measure.column} is {column[outside][0]:g} in a row; it is from {low:g} to {high:g}")


def _split(
    split: str, places: Sequence[int], columns: Mapping[str, Any], values: Mapping[str, Any], halves: Mapping[str, Any]
) -> Split:
    """Return a split's pairs and candidates, whatever the order of the rows: each is found by its pair and seeds."""
    rows_of: dict[str, dict[Seeds, dict[str, int]]] = {}
    for place in places:
        editor, pair = columns["editor"][place], columns["segment_id"][place]
        seeds = (columns["training_seed"][place], columns["seed"][place])
        if rows_of.setdefault(editor, {}).setdefault(seeds, {}).setdefault(pair, place) != place:
            raise ValueError(f"{split}: {editor}, seed {seeds[1]}, has two rows of the pair {pair!r:.80}")
    shown = next(iter(next(iter(rows_of.values())).values()))
    for editor, by_seeds in rows_of.items():
        for (_, seed), by_pair in by_seeds.items():
            if lacking := sorted(shown.keys() ^ by_pair.keys()):
                raise ValueError(
                    f"{split}: not all rows have the same pairs: {lacking[0]!r:.80} is missing for {editor}, seed "
                    f"{seed}, or for {next(iter(rows_of))}"
                )
    pairs = SplitPairs(
        split=split,
        segment_ids=tuple(shown),
        video_ids=tuple(columns["video_id"][place] for place in shown.values()),
        verbs=tuple(columns["verb"][place] for place in shown.values()),
        halves=halves,
    )
    return pairs, [_candidate(by_seeds, list(shown), columns, values) for by_seeds in rows_of.values()]


def _candidate(
    by_seeds: Mapping[Seeds, Mapping[str, int]],
    segment_ids: Sequence[str],
    columns: Mapping[str, Any],
    values: Mapping[str, Any],
) -> Candidate:
    rows = np.array([[by_pair[pair] for by_pair in by_seeds.values()] for pair in segment_ids])
    tables = {name: of_file[rows].astype(np.float64) for name, of_file in values.items()}
    trained = tuple(training_seed for training_seed, _ in by_seeds if training_seed is not None)
    return Candidate(
        editor=columns["editor"][rows[0, 0]],
        name=columns["name"][rows[0, 0]],
        kind=columns["kind"][rows[0, 0]],
        seeds=tuple(seed for _, seed in by_seeds),
        training_seeds=trained if len(trained) == len(by_seeds) else (),
        values={name: table for name, table in tables.items() if np.isfinite(table).any()},
    )


def scores_content(splits: Sequence[Split], header: Mapping[str, Any]) -> dict[str, Any]:
    """Return scores.json: the header and every split's table."""
    return dict(header) | {"splits": [split_table(candidates, pairs) for pairs, candidates in splits]}
