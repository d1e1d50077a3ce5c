"""Test examples + candidates' pictures -> the values of every pair, computed in parts of some pairs.

Memory holds only the pictures of one part (and the small features of all pairs). What is measured of a part under one
column is a job; a `Store` does the jobs and keeps their results, here or on other machines, so an interrupted
evaluation repeats none of them.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from evaluation.metrics.by_pair import fid_by_pair, kid_by_pair
from evaluation.scoring.measures import BESIDE
from evaluation.scoring.pair_measures import Arrays, Column, Judge, Part
from evaluation.scoring.rows import Candidate, SplitPairs, halves_of
from modeling.data.example import Example

PAIRS_AT_ONCE = 64
"""Number of pairs in a part; a kill loses at most these, and memory holds these."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is measured of one part of the pairs."""

    places: range
    """The part: places of its examples in the split."""
    number: int
    """Number of the part."""
    column: Column | None = None
    """The column whose pictures are measured; None: the references of all columns, which are measured first."""

    @property
    def name(self) -> str:
        """Key of the results of this job."""
        return self.shared_name if self.column is None else f"{self.column.label}/{self.number}"

    @property
    def shared_name(self) -> str:
        """Key of what all columns of its part are compared with."""
        return f"shared/{self.number}"


class Source(Protocol):
    """The pairs of a split, and what judges them."""

    @property
    def judge(self) -> Judge:
        """Classifier, feature networks, goals."""

    @property
    def examples(self) -> Sequence[Example]:
        """The examples; each may be read on access."""


@dataclass(frozen=True)
class Loaded:
    """A source in this process's memory."""

    judge: Judge
    examples: Sequence[Example]


class Store(Protocol):
    """Does the jobs of a split, and keeps their results."""

    def do(self, jobs: Sequence[Job], source: Source) -> Iterator[Job]:
        """Yield each job when its results are kept. A part's first job is the one that the others need."""

    def read(self, name: str) -> Arrays:
        """Return the results of that name."""


class InMemory:
    """A store for few pictures: it ends with the process."""

    def __init__(self) -> None:
        self._kept: dict[str, Arrays] = {}

    def do(self, jobs: Sequence[Job], source: Source) -> Iterator[Job]:
        """Do the jobs in this process."""
        measurer = Measurer(source)
        for job in jobs:
            self._kept[job.name] = measurer.measure(job, self.read)
            yield job

    def read(self, name: str) -> Arrays:
        """Return the results of that name."""
        return self._kept[name]


class Measurer:
    """Measures jobs of one source; it keeps the decoded pictures of the part at work."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._at_work: tuple[range, Part] | None = None

    def measure(self, job: Job, read: Callable[[str], Arrays]) -> Arrays:
        """Return the results of a job; `read` gives those of the job that it needs."""
        if self._at_work is None or self._at_work[0] != job.places:
            examples = self.source.examples
            self._at_work = job.places, Part(self.source.judge, [examples[place] for place in job.places])
        part = self._at_work[1]
        return part.shared() if job.column is None else part.measured(job.column, read(job.shared_name))


def jobs_of(num_examples: int, columns: Sequence[Column]) -> list[Job]:
    """Return the jobs of a split, part by part."""
    starts = range(0, num_examples, PAIRS_AT_ONCE)
    parts = [range(first, min(first + PAIRS_AT_ONCE, num_examples)) for first in starts]
    of_part: tuple[Column | None, ...] = (None, *columns)
    return [
        Job(places=places, number=number, column=column) for number, places in enumerate(parts) for column in of_part
    ]


def score_columns(
    source: Source,
    columns: Sequence[Column],
    store: Store,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[SplitPairs, list[Candidate]]:
    """Measure every column on the pairs of one split, part by part; return the pairs, and one candidate per editor.

    `tell` is called with (results done, all results).
    """
    examples = source.examples
    jobs = jobs_of(len(examples), columns)
    for done, _ in enumerate(store.do(jobs, source)):
        tell(done, len(jobs))
    numbers = sorted({job.number for job in jobs})

    def whole(name: str) -> Arrays:
        of_parts = [store.read(f"{name}/{number}") for number in numbers]
        return {key: np.concatenate([arrays[key] for arrays in of_parts]) for key in of_parts[0]}

    shared = whole("shared")
    split = examples[0].split
    ids, videos, verbs = _about(examples)
    halves = halves_of(shared["truth_features"].astype(np.float64))
    if "truth_paired" in shared:
        beside = halves_of(shared["truth_paired"].astype(np.float64))
        halves |= {f"{name}{BESIDE}": value for name, value in beside.items()}
    pairs = SplitPairs(split=split, segment_ids=ids, video_ids=videos, verbs=verbs, halves=halves)
    # Long-distance edits should differ from their input (paper, section 5).
    references = {"output": "truth"} | ({} if split.startswith("long") else {"input": "input"})
    values_of = [_with_sets(whole(column.label), shared, references) for column in columns]
    return pairs, _candidates(columns, values_of)


def _about(examples: Iterable[Example]) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return segment, video and verb of each example; one example at a time is in memory."""
    about = [(example.segment_id, example.video_id, example.verb) for example in examples]
    ids, videos, verbs = zip(*about, strict=True)
    return ids, videos, verbs


def _with_sets(of_column: Arrays, shared: Arrays, references: Mapping[str, str]) -> Arrays:
    """Return a column's values with those of the set metrics of each network, and without its features."""
    values = {name: array for name, array in of_column.items() if name not in ("features", "paired")}
    for kind, end in (("features", ""), ("paired", BESIDE)):
        if len(of_column.get(kind, ())) < 2:
            continue
        features = of_column[kind].astype(np.float64)
        for name, reference in references.items():
            compared = shared[f"{reference}_{kind}"].astype(np.float64)
            values[f"fid_{name}{end}"] = fid_by_pair(features, compared)
            values[f"kid_{name}{end}"] = kid_by_pair(features, compared)
    return values


def _candidates(columns: Sequence[Column], values_of: Sequence[Arrays]) -> list[Candidate]:
    """Return one candidate for each editor, in the order of their first columns."""
    made = []
    for editor in dict.fromkeys(column.editor for column in columns):
        of_editor = [place for place, column in enumerate(columns) if column.editor == editor]
        first = columns[of_editor[0]]
        trained = [columns[place].training_seed for place in of_editor]
        made.append(
            Candidate(
                editor=editor,
                name=first.name,
                kind=first.kind,
                seeds=tuple(columns[place].seed for place in of_editor),
                training_seeds=tuple(seed for seed in trained if seed is not None),
                values={
                    name: np.stack([values_of[place][name] for place in of_editor], axis=1)
                    for name in values_of[of_editor[0]]
                },
            )
        )
    return made
