"""The items of the scores stage: what is measured of some pairs under one column -> a file of arrays.

The stage's own process works on them, or processes of a Dask cluster; each loads the judge once.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

from evaluation.classifier.training import NUM_THREADS, fixed_threads
from evaluation.scoring.pair_measures import Judge
from evaluation.scoring.split_scorer import Job, Measurer, Source
from modeling.data.loader import Chosen, Examples
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import Artifact, Outside, digest_of, read_records
from tasks.artifacts.failures import Failure, StageFailed, ends_the_stage
from tasks.artifacts.kept_arrays import Arrays, KeptArrays, read_arrays, write_arrays
from tasks.artifacts.map_items import map_items
from tasks.config import ScoresConfig
from tasks.scoring.judge import load_judge
from tasks.splitting.assignment import NOT_TESTED


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The pairs of a split and their judge, by the places where they lie: it can be sent to another process."""

    classifier: Artifact
    """The classifier's artifact."""
    shards: Artifact
    """The shards' artifact."""
    kitchen: Artifact | None
    """The drawn kitchen with its goals, if any."""
    config: ScoresConfig
    """How edits are scored."""
    weights: Mapping[str, Outside]
    """Files of the feature networks, where they are given."""
    tars: tuple[Path, ...] = ()
    """Tars of the pairs."""
    ids: tuple[str, ...] = ()
    """The pairs of a split."""

    @property
    def judge(self) -> Judge:
        """What judges: loaded once in a process."""
        return _loaded.judge_of(self)

    @property
    def examples(self) -> Chosen:
        """The pairs; each is read when it is asked for."""
        return Chosen(Examples(self.tars), self.ids)

    def chosen(self, segment_ids: Sequence[str]) -> "Bench":
        """Return the same with these pairs alone."""
        return replace(self, ids=tuple(segment_ids))

    @property
    def key(self) -> str:
        """Return the digest of what the judge is made of."""
        artifacts = {"classifier": self.classifier, "shards": self.shards, "kitchen": self.kitchen}
        places = {name: [str(made.path), made.digest] for name, made in artifacts.items() if made is not None}
        return digest_of([places, asdict(self.config), {name: vars(weight) for name, weight in self.weights.items()}])


class _Loaded:
    """What this process has loaded for the items at work: one judge, and the pictures of one part."""

    def __init__(self) -> None:
        self._judge: tuple[str, Judge] | None = None
        self._measurer: tuple[str, Measurer] | None = None

    def judge_of(self, bench: Bench) -> Judge:
        if self._judge is None or self._judge[0] != bench.key:
            goals = {}
            if bench.kitchen is not None:
                tested = [row for row in bench.shards.records() if row["split"] not in NOT_TESTED]
                goals = join_goals(tested, list(read_records(bench.kitchen.path / "goals.jsonl")))
            self._judge = bench.key, load_judge(bench.classifier, bench.config, goals, bench.weights)
        return self._judge[1]

    def measurer_of(self, bench: Bench) -> Measurer:
        key = digest_of([bench.key, bench.ids])
        if self._measurer is None or self._measurer[0] != key:
            self._measurer = key, Measurer(bench)
        return self._measurer[1]

    def forget(self) -> None:
        self._judge = self._measurer = None


_loaded = _Loaded()


@contextmanager
def loaded_for_a_while() -> Iterator[None]:
    """Free what this process has loaded at the end of the `with` block."""
    try:
        yield
    finally:
        _loaded.forget()


@dataclass(frozen=True, kw_only=True)
class Item:
    """A job, and where its results and those that it needs lie."""

    job: Job
    file: Path
    shared: Path


def measure_item(bench: Bench, item: Item) -> None:
    """Do a job and write its results. No job fails alone: an error ends the stage."""
    try:
        with fixed_threads(NUM_THREADS):
            measurer = _loaded.measurer_of(bench)
            write_arrays(item.file, measurer.measure(item.job, lambda _: read_arrays(item.shared)))
    except Exception as error:
        raise ends_the_stage(error)  # noqa: B904 (the same error)


class KeptParts:
    """Does the jobs of a split as items of the stage."""

    def __init__(self, kept: KeptArrays, limit_s: float) -> None:
        """`limit_s`: seconds that a job may take on another machine."""
        self._kept = kept
        self._limit_s = limit_s

    def do(self, jobs: Sequence[Job], source: Source) -> Iterator[Job]:
        """Yield each job when it is finished: those of earlier runs first, then what all columns need."""
        assert isinstance(source, Bench), "items are sent to other processes"
        todo = []
        for job in jobs:
            if self._kept.is_done(job.name):
                yield job
            else:
                todo.append(job)
        for first in (True, False):  # first what the other jobs of each part need
            items = [self._item(job) for job in todo if (job.column is None) is first]
            for item, outcome in map_items(partial(measure_item, source), items, limit_s=self._limit_s, here=True):
                if isinstance(outcome, Failure):
                    lost = StageFailed(f"scores: {item.job.name}: {outcome.message}.")
                    lost.transient = outcome.transient
                    raise lost
                self._kept.finish(item.job.name)
                yield item.job

    def read(self, name: str) -> Arrays:
        """Return the results of that name."""
        return self._kept.read(name)

    def _item(self, job: Job) -> Item:
        return Item(job=job, file=self._kept.file_of(job.name), shared=self._kept.file_of(job.shared_name))
