"""Errors of an editor under each pair's own and under other instructions -> the share in which its own has the smaller
error.

Instruction retrieval P(e_c < e_c'): e is the squared error of the denoiser on the ground truth, c the pair's own
instruction, c' another one, over K draws of noise and timestep that c, c' and all editors share. Three kinds of c':
without a common word (`disjoint`, where most editors are near 100 %), of the same verb, of the same object. 50 % is
chance: equal errors, as of an editor that does not read its instruction, count one half. Source: this is what L_action
optimises (paper, Eq. 4 and 5). Unlike the paper, which does not measure it.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

KINDS = ("disjoint", "same_verb", "same_object")
"""Kinds of other instructions that a score table has."""


def column_of(kind: str) -> str:
    """Return the column of a kind in the table of pair scores."""
    return "told_apart" if kind == "disjoint" else f"told_apart_{kind}"


def told_apart_shares(records: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, float]]:
    """Return column -> segment -> share of its draws with e_c < e_c'; segments without such a c' are left out.

    Records: segment_id, own (e_c) and one e_c' a kind, None where there is no other instruction of that kind. Draws in
    which an error is NaN are left out.
    """
    outcomes: dict[str, dict[str, list[float]]] = {column_of(kind): defaultdict(list) for kind in KINDS}
    for row in records:
        for kind in KINDS:
            if row.get(kind) is not None and not math.isnan(row["own"] + row[kind]):
                is_told = 0.5 if row["own"] == row[kind] else float(row["own"] < row[kind])
                outcomes[column_of(kind)][row["segment_id"]].append(is_told)
    return {
        column: {segment_id: sum(told) / len(told) for segment_id, told in of_column.items()}
        for column, of_column in outcomes.items()
    }
