"""shards, scores and edits -> the pairs that the report shows, each group chosen by a rule and not by hand.

Figures 2 and 9 of the paper: random held-out pairs. 3: instructions in colour. 5: long-distance pairs. 6: verbs that
nobody was trained on. 7: the main editor's worst edits.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from evaluation.pages.instructions import coloured
from evaluation.pages.page import Gallery, ShownEdit, ShownPair
from evaluation.scoring.pair_table import FILE, read_pair_table
from modeling.data.example import Example
from modeling.data.images import read_image
from modeling.data.loader import Examples
from tasks.artifacts.artifact import Artifact, Record
from tasks.artifacts.keyed_hash import in_hash_order
from tasks.pages.editor_names import EDITS, editor_name, editor_of
from tasks.pages.shown import gallery_rows

Json = dict[str, Any]
DRAWN = "one verb after another, drawn by a hash of their ids: nobody looked before choosing"
MAIN_NOTE = (
    f"Held-out pairs, {DRAWN}. Edits are those of the first seed. Small pictures are shown enlarged, pixel by pixel."
)
FIGURES = {
    "long": ("figure5", "Long-distance actions (Figure 5)", f"Pairs of {{split}}, {DRAWN}."),
    "unseen_verbs": ("figure6", "Verbs that nobody was trained on (Figure 6)", f"Pairs of {{split}}, {DRAWN}."),
}
"""Beginning of a test set's name -> name of the file, title, and how its pairs are chosen."""
NUM_COLOURED = 4
"""Pairs of Figure 3."""


class Galleries:
    """Makes galleries of one run; files that they share are opened once."""

    def __init__(self, shards: Artifact, scores: Artifact, edits: Mapping[str, Artifact]) -> None:
        self._shards, self._edits, self._scores = shards, edits, scores
        self._scored = {(row["editor"], row["segment_id"]): row for row in reversed(list(scores.records()))}
        self._rows = list(shards.records())

    def main(self, table: Json, num_rows: int) -> Gallery:
        """Return the random pairs of the main test set (Figures 2 and 9)."""
        pairs = self._cards(table, gallery_rows(self._of(table), num_rows))
        return Gallery(name="figure2", title="Edits", note=MAIN_NOTE, pairs=pairs)

    def others(self, tables: Sequence[Json], num_rows: int) -> Iterator[Gallery]:
        """Yield the galleries of long-distance pairs and of unseen verbs, where there are such test sets."""
        for table in tables:
            for begin, (name, title, note) in FIGURES.items():
                if table["split"].startswith(begin):
                    pairs = self._cards(table, gallery_rows(self._of(table), num_rows))
                    note = note.format(split=table["split"])
                    yield Gallery(name=f"{name}_{table['split']}", title=title, note=note, pairs=pairs)

    def worst(self, table: Json, editor: str, num_rows: int) -> Gallery:
        """Return the pairs on which an editor scores lowest (Figure 7)."""
        order = lowest_first(self._scores, table["split"], editor)
        by_id = {row["segment_id"]: row for row in self._of(table)}
        chosen = [by_id[segment_id] for segment_id in order if segment_id in by_id][:num_rows]
        note = (
            f"The lowest scores of {editor_name(editor)} on {table['split']}, lowest first: "
            + ("edits that the oracle finds not carried out, then " if table["num_judged"] else "")
            + "by how much nearer to the ground truth an edit is than its input is (paired distance, mean over seeds)."
        )
        return Gallery(
            name="figure7", title="Where it fails (Figure 7)", note=note, pairs=self._cards(table, chosen, (editor,))
        )

    def instructions(self, table: Json) -> Gallery:
        """Return instructions with their parts coloured (Figure 3): of each kind of sentence one after another."""
        kinds: dict[tuple[bool, bool], list[Record]] = {}
        by_id = {row["segment_id"]: row for row in self._of(table)}
        for segment_id in in_hash_order(3, by_id):
            row = by_id[segment_id]
            kinds.setdefault((not row["start_point"], not row["end_point"]), []).append(row)
        turns = max(map(len, kinds.values()), default=0)
        rows = [kind[turn] for turn in range(turns) for _, kind in sorted(kinds.items()) if turn < len(kind)]
        note = (
            "Sentences of each kind in turn, drawn by a hash: with start and end point, with one, with none. "
            "The object of the action, its starting point and its end point are marked."
        )
        pairs = self._cards(table, rows[:NUM_COLOURED], (), is_coloured=True)
        return Gallery(name="figure3", title="Instructions (Figure 3)", note=note, pairs=pairs, has_roles=True)

    def _of(self, table: Json) -> list[Record]:
        """Return the scored pairs of a test set; where the oracle judges, those that it does."""
        editors = [row["editor"] for row in table["rows"] if row["kind"] == "editor"]
        complete = {segment_id for _, segment_id in self._scored}
        tested = [row for row in self._rows if row["split"] == table["split"] and row["segment_id"] in complete]
        judged = [row for row in tested if self._scored[editors[0], row["segment_id"]]["carried_out"] is not None]
        return judged or tested

    def _cards(
        self, table: Json, chosen: Sequence[Record], only: Sequence[str] | None = None, *, is_coloured: bool = False
    ) -> list[ShownPair]:
        """Return the cards: input, ground truth and the editors' first edits, with the oracle's verdicts."""
        editors = [row["editor"] for row in table["rows"] if row["kind"] == "editor"]
        editors = [editor for editor in editors if only is None or editor in only]
        examples = Examples(sorted({self._shards.file(row["shard"]) for row in chosen}))
        index_of = {segment_id: index for index, segment_id in enumerate(examples.segment_ids)}
        cards = []
        for row in chosen:
            example = examples[index_of[row["segment_id"]]]
            edited = [edit for editor in editors if (edit := self._edit(editor, row)) is not None]
            pictures = [
                ShownEdit(name="input", picture=example.source_image),
                ShownEdit(name="ground truth", picture=example.edited_image),
                *(shown for shown, _ in edited),
            ]
            parts = coloured(example.instruction, roles_of(example)) if is_coloured else ()
            lineage = [*self._origin(row), *((shown.name, origin) for shown, origin in edited)]
            cards.append(ShownPair(instruction=example.instruction, pictures=pictures, parts=parts, lineage=lineage))
        return cards

    def _edit(self, editor: str, row: Record) -> tuple[ShownEdit, str] | None:
        record = self._scored[editor, row["segment_id"]]
        made = self._edits[first_label(self._edits, editor)]
        name = f"{record['seed']}/{row['segment_id']}.png"
        if not (made.path / name).is_file():  # made elsewhere, and not this one
            return None
        verdicts = {} if record["carried_out"] is None else {"done": record["carried_out"], "kept": record["kept"]}
        shown = ShownEdit(name=editor_name(editor), picture=read_image(made.path / name), verdicts=verdicts)
        return shown, f"{place_of(made)}/{name}, by {editor_place(made)}"

    def _origin(self, row: Record) -> list[tuple[str, str]]:
        """Return where input and ground truth come from: segment, video and seconds, shard."""
        return [
            ("segment", str(row["segment_id"])),
            ("input", f"video {row['video_id']} at {row['start_s']:.3f} s"),
            ("ground truth", f"video {row['video_id']} at {row['stop_s']:.3f} s"),
            ("shard", f"{place_of(self._shards)}/{row['shard']}"),
        ]


def roles_of(example: Example) -> dict[Any, str]:
    """Return the parts of an example's instruction by their role."""
    return {"object": example.object, "start": example.start_point, "end": example.end_point}


def first_label(inputs: Mapping[str, Artifact], editor: str) -> str:
    """Return the input that holds an editor's edits; those of its first training seed, where there are several."""
    labels = [name for name in inputs if name.startswith(EDITS) and editor_of(name.removeprefix(EDITS))[0] == editor]
    return min(labels, key=lambda name: editor_of(name.removeprefix(EDITS))[1] or 0)


def place_of(artifact: Artifact) -> str:
    """Return an artifact's place in its workspace."""
    return f"{artifact.path.parent.name}/{artifact.path.name}"


def editor_place(edits: Artifact) -> str:
    """Return the checkpoint that made edits: its artifact, or the name of what came from outside with its digest."""
    editor = edits.manifest["inputs"].get("editor")
    if editor is None:
        return "an editor that is not told"
    if "artifact" in editor:
        return f"{editor['artifact']}/pipeline"
    location = str(editor["outside"]).rstrip("/")
    return f"{location.rsplit('/', 1)[-1] if location.startswith('/') else location} ({editor['digest'][:12]})"


def lowest_first(scores: Artifact, split: str, editor: str) -> list[str]:
    """Return the pairs of a test set, those first on which an editor scores lowest; pairs without a score are left out.

    First edits that the oracle finds not carried out (share over seeds), then d(input, truth) - d(edit, truth).
    """
    for pairs, candidates in read_pair_table(scores.path / FILE)[0]:
        if pairs.split != split:
            continue
        values = {candidate.editor: candidate.values for candidate in candidates}
        gain = values["copy"]["distance_truth"].mean(axis=1) - values[editor]["distance_truth"].mean(axis=1)
        done = values[editor].get("carried_out")
        share = np.ones(len(gain)) if done is None else np.nan_to_num(done.mean(axis=1), nan=1.0)
        order = sorted(range(len(gain)), key=lambda place: (share[place], gain[place], pairs.segment_ids[place]))
        return [pairs.segment_ids[place] for place in order if np.isfinite(gain[place])]
    return []
