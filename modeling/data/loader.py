"""Shards -> examples by number, and the examples of each training step.

Tar headers are read once; after that, reading any example takes three reads at known places. The position of a training
run is its step number alone: `batch_indices` computes the examples of a step, and a resumed run replays nothing.
"""

import hashlib
import os
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from modeling.data.example import Example, decode, decode_metadata, split_name
from modeling.data.tar_checks import check_end_mark, check_number
from modeling.data.tars import read_shard

_BLOCK = 512
"""Bytes in a block of a tar; two zero blocks end it."""
_NOT_A_FILE = ("pipe:", "file:", "http:", "https:", "s3:", "gs:", "hf:")


@dataclass(frozen=True)
class _Member:
    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class _Place:
    shard: Path
    members: tuple[_Member, ...]


class Examples:
    """The examples in a folder of tars (all tars below it, sorted by name), or in a list of tars.

    Holds no open file, so that it can be shared with worker processes.
    """

    def __init__(self, shards: Path | str | Sequence[Path | str]):
        self.shards = find_shards(shards)
        self._places = [place for shard in self.shards for place in _scan(shard)]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> Example:
        """Read example `index`; ValueError, which names the shard, for one that cannot be decoded."""
        place = self._places[index]
        try:
            return decode(_read(place, place.members))
        except ValueError as error:
            raise ValueError(f"{place.shard}: {error}") from error

    def __iter__(self) -> Iterator[Example]:
        """Yield all examples in order, reading each tar from front to back."""
        num_read = 0
        for shard in self.shards:
            for example in read_shard(shard):
                num_read += 1
                yield example
        if num_read != len(self):
            raise ValueError(f"{num_read} examples were read of {len(self)}. A shard changed while it was read.")

    def metadata(self, index: int) -> dict[str, Any]:
        """Read example `index` without its pictures."""
        place = self._places[index]
        members = [member for member in place.members if member.name.endswith(".json")]
        try:
            ((name, content),) = _read(place, members).items()
            return decode_metadata(content, name=name)
        except ValueError as error:
            raise ValueError(f"{place.shard}: {error}") from error

    @property
    def segment_ids(self) -> list[str]:
        """The keys of all examples, in order; no file is read."""
        return [split_name(place.members[0].name)[0] for place in self._places]

    @cached_property
    def instructions(self) -> list[str]:
        """The instructions of all examples, in order; read once, without the pictures."""
        return self.column("instruction")

    def column(self, name: str) -> list[str]:
        """Read one of the texts (instruction, verb, object, ...) of every example, in order."""
        return [str(self.metadata(index)[name]) for index in range(len(self))]


class Chosen(Sequence[Example]):
    """Some examples by their keys, in the order of the keys; each is read when it is asked for."""

    def __init__(self, examples: Examples, segment_ids: Sequence[str]):
        index_of = {segment_id: index for index, segment_id in enumerate(examples.segment_ids)}
        self._examples = examples
        self._places = [index_of[segment_id] for segment_id in segment_ids]

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        """Read one example, or several."""
        if isinstance(index, slice):
            return [self._examples[place] for place in self._places[index]]
        return self._examples[self._places[index]]


def find_shards(shards: Path | str | Sequence[Path | str]) -> list[Path]:
    """Return the tars in a folder, or check a tar or a list of tars.

    URLs are refused: where WebDataset is given `pipe:...` it runs a shell command.
    """
    several = [shards] if isinstance(shards, str | Path) else list(shards)
    for one in several:
        if str(one).startswith(_NOT_A_FILE):
            raise ValueError(f"Shard {one} is a URL. Give a local folder of tars, or their paths.")
    tars: list[Path] = []
    for path in map(Path, several):
        if not path.exists():
            raise ValueError(f"{path}: there is no such shard or folder of shards.")
        tars += sorted(path.rglob("*.tar")) if path.is_dir() else [path]
    if not tars:
        raise ValueError(f"{', '.join(map(str, several))}: no .tar files there.")
    return tars


def _scan(shard: Path) -> list[_Place]:
    """Read a tar's headers; ValueError, which names the tar, when it is cut off or is no tar of examples."""
    groups: dict[str, list[_Member]] = {}
    end, last_key = 0, ""
    try:
        with tarfile.open(shard, "r:") as tar:
            for header in tar:
                if not header.isreg():
                    raise ValueError(f"member {header.name!r} is no plain file")
                key, _ = split_name(header.name)
                if key in groups and key != last_key:
                    raise ValueError(f"the members of {key} do not follow one another")
                last_key = key
                groups.setdefault(key, []).append(_Member(header.name, header.offset_data, header.size))
                end = header.offset_data + -(-header.size // _BLOCK) * _BLOCK
    except tarfile.TarError as error:
        raise ValueError(f"{shard}: truncated or no tar ({error}). Build this shard again.") from error
    except ValueError as error:
        raise ValueError(f"{shard}: {error}. Only shards of examples can be read.") from error
    check_end_mark(shard, end)
    for key, members in groups.items():
        if sorted(member.name.split(".")[1] for member in members) != ["edited", "json", "source"]:
            named = ", ".join(member.name for member in members)
            raise ValueError(f"{shard}: key {key} has {named}. Only shards of examples can be read.")
    check_number(shard, len(groups))
    return [_Place(shard, tuple(members)) for members in groups.values()]


def _read(place: _Place, members: Sequence[_Member]) -> dict[str, bytes]:
    with place.shard.open("rb") as file:
        contents = {member.name: os.pread(file.fileno(), member.size, member.offset) for member in members}
    for member in members:
        if len(contents[member.name]) != member.size:
            raise ValueError(f"truncated in {member.name}. Build this shard again.")
    return contents


def batch_indices(num_examples: int, batch_size: int, seed: int, step: int) -> NDArray[np.int64]:
    """Return the examples of training step `step` (from 0): int64 [batch_size] in [0, num_examples).

    Every epoch is a permutation of all examples, keyed by (seed, epoch); epochs follow one another without a gap, so a
    batch may straddle two. A pure function whose cost does not grow with `step`.
    """
    if num_examples < 1 or batch_size < 1 or step < 0:
        raise ValueError(f"No batch of {batch_size} from {num_examples} examples at step {step}.")
    positions = np.arange(batch_size, dtype=np.int64) + step * batch_size
    epochs = positions // num_examples
    orders = [_epoch_order(num_examples, seed, int(epoch)) for epoch in np.unique(epochs)]
    chosen: NDArray[np.int64] = np.stack(orders)[epochs - epochs[0], positions % num_examples]
    return chosen


@lru_cache(maxsize=4)
def _epoch_order(num_examples: int, seed: int, epoch: int) -> NDArray[np.int64]:
    # Sorting hashes rather than `Generator.permutation`, whose stream may change with the version of numpy.
    words = np.frombuffer(hashlib.sha256(f"{seed}/{epoch}".encode()).digest()[:16], dtype="<u8")
    hashes = _mix(_mix(np.arange(num_examples, dtype=np.uint64) + words[0]) ^ words[1])
    return np.argsort(hashes, kind="stable").astype(np.int64)


def _mix(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """SplitMix64's output function (Steele et al. 2014): a bijection of 64-bit words, wrapping around."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
