"""Counts of a dataset -> the tables of its page: rules, splits, leakage. Pure, except that it reads the splits'
records.
"""

from collections.abc import Mapping
from typing import Any

from evaluation.pages.dataset_page import RuleLine, RulesTable
from evaluation.pages.page import Cell, Table
from evaluation.paper import DatasetFigures
from tasks.artifacts.artifact import Artifact, Record

STATISTIC_NAMES = {
    "start_point": "Names a starting point",
    "end_point": "Names an ending point",
    "neither": "Verb and object only",
}

Json = dict[str, Any]


def rules_of(statistics: Json, paper: DatasetFigures | None) -> RulesTable | None:
    """Return the statistics of appendix 7.1 by rule rule."""
    if not statistics["num"]:
        return None
    lines = [
        RuleLine(
            statistic=STATISTIC_NAMES[rule["statistic"]],
            rule=rule["rule"],
            meaning=rule["meaning"],
            count=rule["count"],
            percent=rule["percent"],
            paper_percent=rule["paper_percent"],
        )
        for rule in statistics["rules"]
    ]
    return RulesTable(lines=lines, paper=paper.name if paper else None, notes=paper.notes if paper else ())


def splits_table(splits: Artifact, rows: Mapping[str, Record]) -> Table:
    """Return the sizes of the splits, and how the long-distance set was chosen."""
    facts = splits.manifest["facts"]
    members: dict[str, list[Record]] = {}
    for record in splits.records():
        members.setdefault(record["split"], []).append(rows[record["segment_id"]])
    lines = [
        (
            split,
            "editor",
            [
                Cell(value=f"{len(members[split]):,}"),
                Cell(value=f"{len({row['video_id'] for row in members[split]}):,}"),
                Cell(value=f"{len({row['group'] for row in members[split]}):,}"),
                Cell(value=f"{len({row['instruction'].split()[0].lower() for row in members[split]}):,}"),
            ],
        )
        for split in sorted(members)
    ]
    notes = [f"Method: {facts['method']}."]
    if "long_distance" in facts:
        told = facts["long_distance"]
        how = told.get("rule") or f"by {told['by']}; {told['how']}"
        notes.append(f"The long-distance set was chosen {told['chosen']}: {how}.")
    columns = [("Pairs", ""), ("Videos", ""), ("Participants", "or groups"), ("Actions", "first words")]
    return Table(title="Splits", columns=columns, rows=lines, notes=notes)


def leakage_table(leakage: Mapping[str, Json]) -> Table | None:
    """Return how much of each held-out set is also in the training set."""
    if not leakage:
        return None
    shares = {
        "pairs_of_shared_videos": ("Same video", "is trained on too"),
        "pairs_overlapping": ("Overlap", "with a training segment"),
        "pairs_same_frame": ("Same frame", "as a training picture"),
        "pairs_near_duplicate": ("Near-duplicate", "in training"),
        "pairs_near_in_other_video": ("Near-duplicate", "in another video"),
    }
    columns = [("Videos", "shared with training"), ("Participants", "shared with training"), *shares.values()]
    rows = []
    for split, shared in leakage.items():
        cells = [
            Cell(value=f"{shared[f'num_{name}_shared']:,} of {shared[f'num_{name}']:,}")
            for name in ("videos", "participants")
        ]
        for name in shares:
            share = shared[name] / shared["num_pairs"]
            cells.append(Cell(value=f"{shared[name]:,}", details=[f"{100 * share:.1f} %"], share=share))
        rows.append((f"{split}, {shared['num_pairs']:,} pairs", "editor", cells))
    near = next(iter(leakage.values()))["near_bits"]
    notes = (
        f"Counts are pairs of the held-out set. Near-duplicate: one of its two pictures differs from a training "
        f"picture in at most {near} of the 64 bits of a difference hash. Before a camera that never moves nearly all "
        "pictures are such.",
    )
    return Table(title="What training has seen of each held-out set", columns=columns, rows=rows, notes=notes)
