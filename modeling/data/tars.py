"""Examples <-> one WebDataset tar, from front to back. For examples by number see loader.py.

Both ways go through webdataset. Its own decoders are not used: they run code for some names (example.py decodes).
Its URLs are not used either (`pipe:` runs a shell): it gets opened files.
"""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from webdataset import TarWriter
from webdataset.tariterators import group_by_keys, tar_file_expander

from modeling.atomic import atomic_file
from modeling.data.example import Example, decode, encode, split_name


def write_shard(path: Path, examples: Iterable[Example]) -> None:
    """Write a tar of examples atomically, one after the other; equal examples in equal order give equal bytes."""
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        # Time 0, mode 0644 and no owner: nothing of the machine that wrote it.
        writer = TarWriter(file, user="", group="", mode=0o644, mtime=0, encoder=False)
        with writer:
            for example in examples:
                for name, content in encode(example).items():
                    key, extension = split_name(name)
                    # One member a call: a call with several sorts them, and the picture before comes first here.
                    writer.write({"__key__": key, extension: content})


def read_shard(path: Path) -> Iterator[Example]:
    """Yield the examples of a tar in their order; ValueError, which names the tar, for one that cannot be decoded."""
    try:
        with path.open("rb") as file:
            for sample in group_by_keys(tar_file_expander([{"url": str(path), "stream": file}])):
                yield decode(
                    {f"{sample['__key__']}.{name}": content for name, content in sample.items() if name[0] != "_"}
                )
    except tarfile.TarError as error:
        raise ValueError(f"{path}: truncated or no tar ({error}). Build this shard again.") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
