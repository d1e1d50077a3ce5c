"""scores.json of a grid of loss weights -> the ranking by FID_output, the choice, and Figure 8.

As section 7.2 of the paper: λ1 is chosen among editors trained with L_static + λ1 L_action, λ2 among those trained with
L_static + λ2 L_reg, each by the smallest FID_output. The order by KID, which does not depend on the number of pairs, is
shown beside it. Unlike the paper, the page also says whether n shows a difference to the runner-up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from evaluation.pages.charts import LEFT, RIGHT, WIDTH, Chart, Figure, Series, Tick, draw_chart

TERMS = {"action": ("λ1", "editor.objective.lambda_action"), "reg": ("λ2", "editor.objective.lambda_reg")}
"""Beginning of a method's name -> the paper's sign, and the setting that has the weight."""


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """One editor of the grid."""

    term: str
    """action or reg."""
    weight: float
    """λ1 or λ2."""
    fid: float
    fid_interval: tuple[float, float]
    """95 %."""
    kid: float | None
    kid_rank: int | None
    """Rank by KID among the editors of the same term, from 1."""


def ranked(table: Mapping[str, Any]) -> dict[str, list[Ranked]]:
    """Return the editors of each term, best FID_output first (of equal ones the smaller weight); none: no key."""
    by_term: dict[str, list[Ranked]] = {}
    for term in TERMS:
        rows = [(weight, row) for row in table["rows"] if (weight := weight_of(row["editor"], term)) is not None]
        rows = [(weight, row) for weight, row in rows if row["fid_output"] is not None]
        kids = sorted(row["kid_output"]["mean"] for _, row in rows if row["kid_output"] is not None)
        ranks = [
            Ranked(
                term=term,
                weight=weight,
                fid=row["fid_output"]["mean"],
                fid_interval=(row["fid_output"]["interval"][0], row["fid_output"]["interval"][1]),
                kid=None if row["kid_output"] is None else row["kid_output"]["mean"],
                kid_rank=None if row["kid_output"] is None else 1 + kids.index(row["kid_output"]["mean"]),
            )
            for weight, row in rows
        ]
        if ranks:
            by_term[term] = sorted(ranks, key=lambda rank: (rank.fid, rank.weight))
    return by_term


def weight_of(editor: str, term: str) -> float | None:
    """Return the weight in a method's name; None for a method of another kind.

    >>> weight_of("action_0.005", "action"), weight_of("reg_0.3", "action"), weight_of("editaction", "action")
    (0.005, None, None)
    """
    head, _, number = editor.partition("_")
    try:
        return float(number) if head == term else None
    except ValueError:
        return None


def choice_of(content: Mapping[str, Any], split: str | None = None) -> dict[str, Any]:
    """Return the choice for `run --settings`, with its evidence. ValueError when the scores have no grid.

    `split`: the test set that decides; None: the first one.
    """
    tables = {table["split"]: table for table in content["splits"]}
    if split is not None and split not in tables:
        raise ValueError(f"There is no test set {split!r} in these scores; there are {', '.join(tables)}.")
    table = tables[split] if split is not None else next(iter(tables.values()))
    by_term = ranked(table)
    if not by_term:
        raise ValueError("These scores have no editors of a grid: train them with --methods grid.")
    return {
        "settings": {TERMS[term][1]: ranks[0].weight for term, ranks in by_term.items()},
        "chosen_by": "FID_output",
        "split": table["split"],
        "num_pairs": table["num_pairs"],
        "features": content["fid_features"],
        "notes": [note for term, ranks in by_term.items() for note in notes_of(term, ranks)],
        "ranking": {term: [vars(rank) for rank in ranks] for term, ranks in by_term.items()},
    }


def notes_of(term: str, ranks: Sequence[Ranked]) -> list[str]:
    """Return sentences on the certainty of the choice of one weight."""
    sign, best = TERMS[term][0], ranks[0]
    notes = []
    inside = [rank for rank in ranks[1:] if rank.fid_interval[0] <= best.fid_interval[1]]
    if inside:
        weights = ", ".join(f"{rank.weight:g}" for rank in inside)
        notes.append(f"{sign} = {best.weight:g} is best, but the intervals of {weights} overlap with its own.")
    by_kid = next((rank for rank in ranks if rank.kid_rank == 1), best)
    if by_kid is not best:
        notes.append(f"KID_output would choose {sign} = {by_kid.weight:g}.")
    return notes


def ranking_rows(by_term: Mapping[str, Sequence[Ranked]]) -> list[dict[str, str]]:
    """Return the ranking as rows of text."""
    return [
        {
            "rank": str(place),
            "weight": TERMS[term][0],
            "value": f"{rank.weight:g}",
            "FID_output": f"{rank.fid:.4g}",
            "95 % interval": f"{rank.fid_interval[0]:.4g} to {rank.fid_interval[1]:.4g}",
            "KID_output": "–" if rank.kid is None else f"{rank.kid:.4g}",
            "rank by KID": "–" if rank.kid_rank is None else str(rank.kid_rank),
            "chosen": "yes" if place == 1 else "",
        }
        for term, ranks in by_term.items()
        for place, rank in enumerate(ranks, 1)
    ]


def figure8(table: Mapping[str, Any]) -> list[Figure]:
    """Return Figure 8: FID_output over the weights of each term, evenly spaced as the grid is."""
    figures = []
    for term, ranks in ranked(table).items():
        sign, ordered = TERMS[term][0], sorted(ranks, key=lambda rank: rank.weight)
        series = Series(
            name=f"FID_output by {sign}", steps=[*range(len(ordered))], values=[rank.fid for rank in ordered]
        )
        note = f"{table['split']}, {table['num_pairs']:,} pairs. The smallest is at {sign} = {ranks[0].weight:g}."
        drawn = draw_chart(Chart(title=f"FID_output over {sign}", note=note, series=[series]))
        width = (WIDTH - LEFT - RIGHT) / max(1, len(ordered) - 1)
        ticks = [
            Tick(position=round(LEFT + place * width, 1), label=f"{rank.weight:g}")
            for place, rank in enumerate(ordered)
        ]
        figures.append(replace(drawn, x_ticks=ticks))
    return figures
