"""Pairs -> the set of each, by a keyed hash: the order of the rows has no effect. Pure.

There are two kinds of methods. The paper's draws test pairs at random, so they share their videos with training. The
disjoint ones hold out whole groups (videos or participants); the pairs of a group that are not tested are not used for
training either.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from tasks.artifacts.artifact import Record
from tasks.artifacts.keyed_hash import in_hash_order
from tasks.config import SplitsConfig
from tasks.cutting.pixels import MIN_CAMERA_SHIFT
from tasks.splitting.combinations import BEYOND_NUM_TRAIN, combinations_of, held_out_combinations
from tasks.splitting.withheld_verbs import UNSEEN_VERBS, tested_of, withheld_pairs

NOT_TESTED = ("train", "validation")
"""Splits that are not edited."""

GROUP_COLUMNS = {"video-disjoint": ("video", "video_id"), "participant-disjoint": ("participant", "group")}
"""Method -> name of its groups, and their column."""


def is_long_distance(row: Record) -> bool:
    """Tell whether a pair can be a long-distance action: it names an end point, and its view moved."""
    return bool(row["end_point"]) and row["camera_shift"] >= MIN_CAMERA_SHIFT


@dataclass(kw_only=True)
class Assignment:
    """The assignment of every pair."""

    splits: dict[str, str] = field(default_factory=dict)
    """segment_id -> train, validation, test<N>, long<N>, unseen<N> or unseen_verbs<N>, N being its size."""
    left_out: dict[str, str] = field(default_factory=dict)
    """segment_id -> reason why it is in no split."""


def assign_splits(rows: Sequence[Record], config: SplitsConfig, chosen: Sequence[str] = ()) -> Assignment:
    """Return the assignment of every row. `chosen`: segments that a person chose as the long-distance set.

    ValueError when a set cannot be filled.
    """
    everything = rows
    withheld = withheld_pairs(rows, config.withhold_verbs, besides=chosen)
    rows = [row for row in rows if row["segment_id"] not in {*withheld}]
    held = combinations_of(rows, config.unseen_combinations, besides=chosen)
    rows = [row for row in rows if row["segment_id"] not in held]
    num_long = len(chosen) or share_of(len(rows), config.num_long_distance, config)
    sizes = {
        f"test{share_of(len(rows), config.num_test, config)}": share_of(len(rows), config.num_test, config),
        f"long{num_long}": num_long,
        "validation": config.num_validation,
    }
    draw = _Draw(rows, config, chosen)
    drawn = draw.from_all(*sizes.values()) if config.method == "paper" else draw.from_groups(*sizes.values())
    assignment = Assignment(left_out=draw.left_out)
    for split, members in zip(sizes, drawn, strict=True):
        assignment.splits |= dict.fromkeys(members, split)
    gone = assignment.splits.keys() | draw.left_out.keys()
    train = [segment_id for segment_id in draw.order if segment_id not in gone]
    assignment.splits |= dict.fromkeys(train[: config.num_train], "train")
    assignment.left_out |= dict.fromkeys(train[len(train[: config.num_train]) :], BEYOND_NUM_TRAIN)
    if held:
        unseen, left_out = held_out_combinations(in_hash_order(config.seed, held), everything, config)
        assignment.splits |= dict.fromkeys(unseen, f"unseen{config.num_unseen}")
        assignment.left_out |= left_out
    if withheld:
        _withhold(assignment, withheld, everything, config)
    sizes |= {f"unseen{config.num_unseen}": config.num_unseen, "train": config.num_train or 1}
    _check_sizes(assignment, sizes, draw, config)
    return assignment


def _withhold(assignment: Assignment, withheld: Sequence[str], rows: Sequence[Record], config: SplitsConfig) -> None:
    """Add the test set of the verbs that nobody is trained on."""
    of = {row["segment_id"]: row for row in rows}
    column = GROUP_COLUMNS[config.method][1] if config.method in GROUP_COLUMNS else None
    used = [segment_id for segment_id, split in assignment.splits.items() if split in NOT_TESTED]
    taken = {of[segment_id][column] for segment_id in used} if column is not None else set()
    tested, left_out = tested_of(in_hash_order(config.seed, withheld), of, config, taken, column)
    assignment.splits |= dict.fromkeys(tested, f"{UNSEEN_VERBS}{len(tested)}")
    assignment.left_out |= left_out


def share_of(num_pairs: int, num_asked: int, config: SplitsConfig) -> int:
    """Return the size of a test set when `num_asked` pairs are wanted: at most its share of all pairs, at least 1."""
    if config.max_test_share >= 1:
        return num_asked
    return min(num_asked, max(1, int(num_pairs * config.max_test_share)))


class _Draw:
    """The pairs in the order of the draw, and the ones drawn so far."""

    def __init__(self, rows: Sequence[Record], config: SplitsConfig, chosen: Sequence[str]):
        self.rows = {row["segment_id"]: row for row in rows}
        self.order = in_hash_order(config.seed, self.rows)
        self.config = config
        self.chosen = list(chosen)
        self.left_out: dict[str, str] = {}
        self.testable = {
            segment_id for segment_id, row in self.rows.items() if not (config.test_without_overlap and row["overlaps"])
        }
        self.moved = {segment_id for segment_id in self.testable if is_long_distance(self.rows[segment_id])}

    def from_all(self, num_test: int, num_long: int, num_validation: int) -> tuple[list[str], list[str], list[str]]:
        """Draw test, long-distance and validation pairs from all pairs.

        The test set is drawn before the long-distance set, so that it stays a random sample.
        """
        test = self._first(num_test, self.testable - set(self.chosen))
        long = self.chosen or self._furthest(num_long, self.moved - set(test))
        return test, long, self._first(num_validation, self.rows.keys() - set(test) - set(long))

    def from_groups(self, num_test: int, num_long: int, num_validation: int) -> tuple[list[str], list[str], list[str]]:
        """Draw them from groups that are held out whole; record the remaining pairs of these groups.

        First `held_out_share` of all groups are drawn by their hash. When these are not enough, more groups follow,
        those that cost the fewest training pairs. Test and long-distance sets share groups; validation has its own.
        """
        kind, column = GROUP_COLUMNS[self.config.method]
        groups: dict[str, set[str]] = defaultdict(set)
        for segment_id, row in self.rows.items():
            groups[row[column]].add(segment_id)
        random = self.testable - set(self.chosen)
        held = set(in_hash_order(self.config.seed, groups)[: math.ceil(self.config.held_out_share * len(groups))])
        held |= self._groups_for(num_test, random, groups, held)
        test = self._first(num_test, random & _union(groups, held))
        held |= {self.rows[setting][column] for setting in self.chosen}
        if not self.chosen:
            held |= self._groups_for(num_long, self.moved - set(test), groups, held)
        inside = _union(groups, held)
        long = self.chosen or self._furthest(num_long, (self.moved - set(test)) & inside)
        others = {name: members for name, members in groups.items() if name not in held}
        beside = _union(groups, self._groups_for(num_validation, self.rows.keys(), others, set()))
        validation = self._first(num_validation, beside)
        self.left_out = dict.fromkeys(sorted(inside - {*test, *long}), f"{kind}_in_test")
        self.left_out |= dict.fromkeys(sorted(beside - set(validation)), f"{kind}_in_validation")
        return test, long, validation

    def _first(self, num: int, of: Collection[str]) -> list[str]:
        return [segment_id for segment_id in self.order if segment_id in of][:num]

    def _furthest(self, num: int, of: Collection[str]) -> list[str]:
        return sorted(self._first(len(of), of), key=lambda segment_id: -self.rows[segment_id]["camera_shift"])[:num]

    def _groups_for(self, num: int, eligible: Collection[str], groups: dict[str, set[str]], held: set[str]) -> set[str]:
        """Return further groups to hold out, so that those and the `held` ones have `num` eligible pairs."""
        wanted = set(eligible)
        missing = num - sum(len(groups[kind] & wanted) for kind in held)
        rest = in_hash_order(self.config.seed, groups.keys() - held)
        offers = [(group, len(groups[group] & wanted), len(groups[group])) for group in rest]
        return cheapest_groups(offers, missing)


def _union(groups: dict[str, set[str]], names: Collection[str]) -> set[str]:
    return set().union(*(groups[name] for name in names))


def cheapest_groups(offers: Sequence[tuple[str, int, int]], num: int) -> set[str]:
    """Return groups that together have at least `num` eligible pairs and as few pairs in all as possible.

    offers: (name, eligible pairs, pairs); of equal choices the one with earlier offers is returned. A knapsack by
    dynamic programming: exact, in len(offers) x num steps. When all groups together are too few, all groups with any
    eligible pair are returned.
    """
    offers = [offer for offer in offers if offer[1]]
    if num <= 0:
        return set()
    if sum(eligible for _, eligible, _ in offers) < num:
        return {name for name, _, _ in offers}
    infinite = 1 + sum(pairs for _, _, pairs in offers)
    cost = [0] + [infinite] * num  # cost[n]: fewest pairs with which n eligible ones are reached
    taken: list[bytearray] = []  # taken[i][n]: offer i is in the best choice for n among the offers up to i
    for _, eligible, pairs in offers:
        took = bytearray(num + 1)
        for reached in range(num, 0, -1):
            with_it = cost[max(0, reached - eligible)] + pairs
            if with_it < cost[reached]:
                cost[reached], took[reached] = with_it, 1
        taken.append(took)
    names, reached = set(), num
    for (name, eligible, _), took in zip(reversed(offers), reversed(taken), strict=True):
        if took[reached]:
            names.add(name)
            reached = max(0, reached - eligible)
    return names


def _check_sizes(assignment: Assignment, asked: dict[str, int], draw: _Draw, config: SplitsConfig) -> None:
    sizes = Counter(assignment.splits.values())
    for name, size in asked.items():
        if sizes[name] >= size:
            continue
        message = (
            f"splits: {name} cannot be filled: {size} pairs are asked for and {sizes[name]} are left. There are "
            f"{len(draw.rows)} pairs, {len(draw.testable)} of them allowed in test sets and {len(draw.moved)} of those "
            "with an end point and a moved view. "
        )
        if config.method != "paper":
            kind, column = GROUP_COLUMNS[config.method]
            num_groups = len({row[column] for row in draw.rows.values()})
            message += f"Of {num_groups} {kind}s whole ones are held out ({config.method}). "
        raise ValueError(
            message + "Give more videos, or lower num_test, num_long_distance, num_validation, num_unseen, num_train, "
            "max_test_share or the quality limits of SplitsConfig."
        )
