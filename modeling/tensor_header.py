"""A safetensors file -> the names, types and shapes of its tensors, from its header alone; imports no torch.

8 bytes say how long the header is, which is JSON: name -> dtype, shape, data_offsets.
"""

import math
import struct
from dataclasses import dataclass
from pathlib import Path

from modeling.json_text import parse_json

MAX_HEADER_BYTES = 100_000_000
"""Largest header, as in the format's own library."""
GIT_LFS = b"version https://git-lfs"


@dataclass(frozen=True, kw_only=True)
class TensorEntry:
    """One tensor of a file."""

    dtype: str
    """Type by its name in safetensors: F32, F16, BF16, ..."""
    shape: tuple[int, ...]

    @property
    def num_values(self) -> int:
        """Number of values."""
        return math.prod(self.shape)


def read_header(path: Path) -> dict[str, TensorEntry]:
    """Return the tensors of a file by name; ValueError, which names the file, for one that is damaged or cut off."""
    size = path.stat().st_size
    with path.open("rb") as file:
        begin = file.read(len(GIT_LFS))
        if begin == GIT_LFS:
            raise ValueError(f"{path} is a pointer of git-lfs and no weights. Run `git lfs pull` in its repository.")
        (length,) = struct.unpack("<Q", begin[:8].ljust(8, b"\0"))
        if not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise ValueError(f"{path} is no whole safetensors file ({size:,} bytes). Fetch it anew.")
        file.seek(8)
        header = file.read(length)
    try:
        entries = {name: entry for name, entry in parse_json(header).items() if name != "__metadata__"}
        tensors = {
            name: TensorEntry(dtype=str(entry["dtype"]), shape=tuple(int(side) for side in entry["shape"]))
            for name, entry in entries.items()
        }
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
        raise ValueError(f"{path} is no safetensors file: its header cannot be read. Fetch it anew.") from error
    if size != 8 + length + end:
        raise ValueError(
            f"{path} has {size:,} bytes and should have {8 + length + end:,}: it was cut off. Fetch it anew."
        )
    return tensors
