"""Draws of made-up pairs, videos and seeds -> in how many of 100 draws the 95 % interval holds the truth, by kind.

Each pair has a normal value: an effect of its video, one of its training seed, and its own. A share counts the pairs
whose value is below a limit; a difference of two shares takes two such values, which are correlated.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from evaluation.statistics.clustered_mean import Mean, clustered_mean
from evaluation.statistics.paired_tests import difference_mean

Values = NDArray[np.float64]
SHARES = (0.0, 1.0)
SEED_SPREAD = 0.2
"""Standard deviation of a training seed's effect, that of a pair's value being 1."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of interval."""

    name: str = ""
    """Its place in the name of the measure."""
    num_videos: int = 40
    sizes: tuple[int, int] = (1, 15)
    """Fewest and most pairs of a video."""
    has_huge_video: bool = False
    """Whether one video has as many pairs as all others together."""
    num_seeds: int = 1
    """Training seeds; of several, each has an effect of its own."""
    likeness: float = 0.5
    """Part of the variance that pairs of a video have in common."""
    share: float | None = None
    """A pair is yes or no, and so many are yes; None: a mean of normal values."""
    other_share: float | None = None
    """The interval is that of `share` minus this share, of values that correlate at 0.5."""


def kinds() -> list[Kind]:
    """Return every kind that is recorded."""
    few = [Kind(name=f"_{number}_videos", num_videos=number) for number in (4, 6, 8, 12, 20)]
    seeds = [Kind(name=f"_{number}_seeds", num_seeds=number) for number in (2, 5)]
    videos_of = {0.9: (4, 6, 8, 12, 20), 0.5: (4, 8, 20), 0.98: (8, 20)}
    shares = [Kind(name="_shares", share=0.9), Kind(name="_shares_50", share=0.5), Kind(name="_shares_98", share=0.98)]
    for share, numbers in videos_of.items():
        of_share = "" if share == 0.9 else f"_{round(100 * share)}"
        shares += [
            Kind(name=f"_shares{of_share}_{number}_videos", share=share, num_videos=number) for number in numbers
        ]
    shares += [replace(kind, name=f"_shares{kind.name}", share=0.9) for kind in seeds]
    large = Kind(name="_shares_95_large_videos", share=0.95, num_videos=10, sizes=(20, 80))
    shares += [large, replace(large, name="_shares_95_large_videos_much_alike", likeness=0.9)]
    shares.append(Kind(name="_shares_80_huge_video", share=0.8, num_videos=8, has_huge_video=True))
    little = Kind(name="_little_alike", likeness=0.1)
    differences = [
        Kind(name=f"_differences_{round(100 * one)}_{round(100 * two)}_{number}_videos", share=one, other_share=two)
        for one, two in ((0.98, 0.95), (0.9, 0.8))
        for number in (4, 8, 20, 40)
    ]
    differences = [replace(kind, num_videos=int(kind.name.split("_")[4])) for kind in differences]
    return [
        Kind(),
        *few,
        *seeds,
        *shares,
        little,
        replace(little, name="_shares_little_alike", share=0.9),
        *differences,
    ]


def coverage_percent(num_draws: int, kind: Kind) -> float:
    """Return in how many of 100 draws the interval holds the truth."""
    truth = (kind.share or 0.0) - (kind.other_share or 0.0)
    return 100 * sum(mean.low <= truth <= mean.high for mean in drawn_means(num_draws, kind)) / num_draws


def drawn_means(num_draws: int, kind: Kind) -> Iterator[Mean]:
    """Yield the mean with its interval of each draw."""
    rng = np.random.default_rng(0)
    for _ in range(num_draws):
        sizes = rng.integers(kind.sizes[0], kind.sizes[1] + 1, size=kind.num_videos)
        if kind.has_huge_video:
            sizes[0] = sizes[1:].sum()
        videos = np.repeat(np.arange(kind.num_videos), sizes)
        values = _values(rng, videos, kind)
        if kind.share is None:
            mean = clustered_mean(values, videos.tolist())
        elif kind.other_share is None:
            mean = clustered_mean(_yes(values, kind, kind.share), videos.tolist(), bounds=SHARES)
        else:
            other = np.sqrt(0.5) * values + np.sqrt(0.5) * _values(rng, videos, kind)
            one, two = _yes(values, kind, kind.share), _yes(other, kind, kind.other_share)
            mean = difference_mean(one, two, videos.tolist(), bounds=SHARES)
        assert mean is not None, "every draw has pairs"
        yield mean


def _values(rng: np.random.Generator, videos: NDArray[np.int64], kind: Kind) -> Values:
    values = np.sqrt(1 - kind.likeness) * rng.standard_normal((len(videos), kind.num_seeds))
    values += np.sqrt(kind.likeness) * rng.standard_normal(kind.num_videos)[videos][:, None]
    return values + SEED_SPREAD * rng.standard_normal(kind.num_seeds) if kind.num_seeds > 1 else values


def _yes(values: Values, kind: Kind, share: float) -> Values:
    spread = np.sqrt(1 + (SEED_SPREAD**2 if kind.num_seeds > 1 else 0))
    return (values < norm.ppf(share) * spread).astype(np.float64)
