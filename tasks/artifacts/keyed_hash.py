"""A random order of names by a seed: the order of their keyed hashes, independent of their order in a list."""

import hashlib
from collections.abc import Collection


def hash_rank(seed: int, segment_id: str) -> int:
    """Return a 64-bit hash of a segment's name, keyed by `seed`; the names with the smallest hashes are drawn first."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{segment_id}".encode()).digest()[:8], "big")


def picture_seed(seed: int, segment_id: str) -> int:
    """Return the seed of one picture's noise, in [0, 2^63): a hash keyed by the run's seed."""
    return hash_rank(seed, segment_id) >> 1


def in_hash_order(seed: int, names: Collection[str]) -> list[str]:
    """Return names in the order in which they are drawn."""
    return sorted(names, key=lambda name: (hash_rank(seed, name), name))
