"""Verdicts of static edits, editor by editor -> the forgetting table: carried out, kept, and what each forgot.

Forgot = carried out by the untouched start - carried out by the editor, scene by scene, in points; an editor that was
trained under several seeds is one row. Definitions are in evaluation/scoring/static_edits.py.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.pages.differences import p_text
from evaluation.pages.page import Cell, Table
from evaluation.pages.tables import START, percent_text
from evaluation.scoring.static_edits import MEASURES
from evaluation.statistics.clustered_mean import clustered_mean
from evaluation.statistics.paired_tests import differences

NOTES = (
    "Static edits (“make the red apple green”) that were asked of every editor and of the untouched start, at the same "
    "noise. Carried out and kept: read by the oracle, where scenes are of the drawn kitchen; else it is nearer to "
    "the expected picture than its input is, and has kept its input outside the expected change.",
    "Forgot: what the start carries out and the editor does not, minus the reverse, in points; Holm's p over the rows. "
    "Intervals are clustered by scene, or by the group that a table of triples names; training seeds count as drawn.",
)
Records = Sequence[Mapping[str, Any]]


def forgetting_table(asked: Mapping[str, Sequence[Records]], names: Mapping[str, str]) -> Table | None:
    """Return the table of editor -> records of each training seed; None where no scene was judged for all of them.

    `names`: how each editor is printed. Scenes that an editor lacks, or that could not be judged, are left out.
    """
    scenes = _common(asked)
    if not scenes:
        return None
    of_editor = {editor: _values(seeds, [scene for scene, _ in scenes]) for editor, seeds in asked.items()}
    groups = [group for _, group in scenes]
    forgot = {}
    if START in of_editor:
        begun = of_editor[START][0]
        most = max(values[0].shape[1] for values in of_editor.values())
        others = {editor: -values[0] for editor, values in of_editor.items() if editor != START}
        same = {editor: other for editor, other in others.items() if other.shape[1] == most}
        start_values = -np.repeat(begun, most, axis=1)
        forgot = differences(same or others, start_values, groups, bounds=(0.0, 1.0))
    rows = []
    for editor in sorted(of_editor, key=lambda name: (name != START, name)):
        cells = [_share(values, groups) for values in of_editor[editor]]
        difference = forgot.get(editor)
        if difference is None:
            cells.append(Cell(value="–"))
        else:
            mean = difference.estimate
            details = [f"{100 * mean.low:+.1f} to {100 * mean.high:+.1f}", f"p {p_text(difference.p_holm)}"]
            details.append(f"n shows ≥ {100 * mean.smallest_visible:.1f}")
            cells.append(Cell(value=f"{100 * mean.mean:+.1f}", details=details))
        rows.append((names.get(editor, editor), "reference" if editor == START else "editor", cells))
    columns = [("Static edits", "carried out, ↑"), ("Rest kept", "of static edits, ↑"), ("Forgot", "points, ↓")]
    title = f"What was forgotten: {len(scenes):,} static edits"
    return Table(title=title, columns=columns, rows=rows, notes=NOTES)


def _common(asked: Mapping[str, Sequence[Records]]) -> list[tuple[str, str]]:
    """Return id and group of the scenes that were judged, in both measures, of every editor under every seed."""
    judged_scenes = [
        {
            (str(row["scene_id"]), str(row["group"]))
            for row in records
            if None not in (row[measure] for measure in MEASURES)
        }
        for seeds in asked.values()
        for records in seeds
    ]
    return sorted(set.intersection(*judged_scenes)) if judged_scenes else []


def _values(seeds: Sequence[Records], scenes: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return carried out and kept: [scenes, training seeds] each."""
    rows = [{str(row["scene_id"]): row for row in records} for records in seeds]
    carried_out, kept = (
        np.array([[float(of_seed[scene][measure]) for of_seed in rows] for scene in scenes]) for measure in MEASURES
    )
    return carried_out, kept


def _share(values: np.ndarray, groups: Sequence[str]) -> Cell:
    mean = clustered_mean(values, groups, bounds=(0.0, 1.0))
    assert mean is not None, "verdicts are finite"
    details = [f"{100 * mean.low:.1f} to {100 * mean.high:.1f}"]
    return Cell(value=percent_text(100 * mean.mean), details=details, share=mean.mean)
