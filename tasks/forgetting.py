"""editor (+ triples) -> `forgetting.json`: the static edits that it still carries out, and how much it keeps.

Without triples the scenes are drawn: recolour, add, remove and replace, which the kitchen's starting editor knows.
Scenes and noise are the same for every editor. Item: a few scenes. It runs by --measure forgetting. The untouched start
is measured too; an editor has forgotten the edits that the start carries out and it does not.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.static_edits import StaticEdit, sample_static_edit
from evaluation.kitchen.world import draw
from evaluation.metrics.fid import FeatureNetwork, feature_network
from evaluation.scoring.static_edits import forgetting_content, judge_scene, judge_triples
from modeling.atomic import write_json
from modeling.data.images import Picture, read_image, squash
from modeling.editors.instruct_pix2pix import Editor
from tasks.annotations.triples import Triple, read_triples
from tasks.artifacts.artifact import Input, Outside, Record, digest_of, editor_location
from tasks.artifacts.failures import failed
from tasks.artifacts.keyed_hash import picture_seed
from tasks.artifacts.map_items import Failure, guarded
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import ForgettingConfig, StaticScenesConfig

SCENES_PER_ITEM = 24
"""Number of scenes per done-record; a kill loses at most these."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One static edit for the editor."""

    scene_id: str
    group: str
    """Group of items that were drawn together; intervals are clustered by it."""
    kind: str | None
    """recolour, add, remove or replace; None when unknown."""
    instruction: str
    what: StaticEdit | Triple
    """The scene, or the pictures."""

    @property
    def record(self) -> Record:
        """Facts for its record beside the verdict."""
        told = {"scene_id": self.scene_id, "group": self.group, "kind": self.kind, "instruction": self.instruction}
        return {name: value for name, value in told.items() if value is not None}


def drawn_scenes(config: StaticScenesConfig) -> list[Asked]:
    """Draw static edits of the fixed camera's kitchen; no start was trained on or chosen by these."""
    asked = []
    for number in range(config.num_scenes):
        edit = sample_static_edit(np.random.default_rng([config.seed, number, 2407]), fixed_view())
        name = f"static-{config.seed}-{number:04d}"
        asked.append(Asked(scene_id=name, group=name, kind=edit.edit, instruction=edit.instruction, what=edit))
    return asked


def asked_triples(table: Path) -> list[Asked]:
    """Return the triples of a table."""
    return [
        Asked(scene_id=triple.triple_id, group=triple.group, kind=None, instruction=triple.instruction, what=triple)
        for triple in read_triples(table)
    ]


class _Editing:
    """The editor and the feature network, each loaded when it is needed first."""

    def __init__(self, editor: Input, config: ForgettingConfig, device: str) -> None:
        self._editor, self._config, self._device = editor, config, device

    @cached_property
    def editor(self) -> Editor:
        return Editor.load(editor_location(self._editor), self._device)

    @cached_property
    def network(self) -> FeatureNetwork:
        scenes = self._config.scenes
        return feature_network(scenes.features, scenes.weights, setting="forgetting.weights")

    def judged(self, part: Sequence[Asked]) -> list[Record]:
        """Edit some scenes and judge the edits, in order."""
        sampling = self._config.sampling
        sources = [self._source(entry) for entry in part]
        seeds = [picture_seed(self._config.scenes.seed, entry.scene_id) for entry in part]
        edited = self.editor.edit(sources, [entry.instruction for entry in part], seeds, sampling)
        verdicts = [
            judge_scene(entry.what, picture)
            for entry, picture in zip(part, edited, strict=True)
            if isinstance(entry.what, StaticEdit)
        ]
        triples = [entry.what for entry in part if isinstance(entry.what, Triple)]
        if triples:
            squared = [squash(source, sampling.size_px) for source in sources]
            expected = [squash(read_image(triple.expected), sampling.size_px) for triple in triples]
            verdicts = judge_triples(self.network, squared, expected, list(edited), self._config.scenes.least_psnr_db)
        return [entry.record | verdict for entry, verdict in zip(part, verdicts, strict=True)]

    @staticmethod
    def _source(asked: Asked) -> Picture:
        return draw(asked.what.before, 0) if isinstance(asked.what, StaticEdit) else read_image(asked.what.picture)


def outcome(judge: Callable[[Sequence[Asked]], list[Record]], part: list[Asked]) -> tuple[list[Record], list[Record]]:
    """Return the kept and the failed rows of a part; when it fails as a whole, its scenes are tried one by one."""
    judged = guarded(judge, part)
    if not isinstance(judged, Failure):
        return judged, []
    kept: list[Record] = []
    rejected: list[Record] = []
    for entry in part:
        alone = guarded(judge, [entry])
        if isinstance(alone, Failure):
            why = failed(alone.reason, f"{entry.scene_id}: {alone.message}", transient=alone.transient)
            rejected.append(entry.record | why)
        else:
            kept += alone
    return kept, rejected


@stage
def forgetting(
    work: Work,
    config: ForgettingConfig,
    *,
    editor: Input,
    triples: Outside | None = None,
    weights: Outside | None = None,
) -> None:
    """Make every static edit with one editor and judge it; an edit that cannot be made or read is listed as failed.

    `weights`: the file, folder or hub id of the network that judges triples.
    """
    asked = asked_triples(Path(triples.location)) if triples is not None else drawn_scenes(config.scenes)
    judged_by = config.scenes.weights if weights is None else weights.location
    editing = _Editing(editor, replace(config, scenes=replace(config.scenes, weights=judged_by)), work.options.device)
    outside = {name: file.digest for name, file in (("triples", triples), ("weights", weights)) if file is not None}
    key = digest_of({"editor": editor.digest, "config": asdict(config), "outside": outside})
    for first in range(0, len(asked), SCENES_PER_ITEM):
        work.progress(first, len(asked))
        part = asked[first : first + SCENES_PER_ITEM]
        item = f"scenes/{part[0].scene_id}"
        if not work.item_done(item, key):
            kept, rejected = outcome(editing.judged, part)
            work.finish_item(item, key, kept=kept, rejected=rejected)
    kept, rejected = work.collect()
    read_by = "oracle of the drawn kitchen" if triples is None else f"features {config.scenes.features}"
    write_json(work.path / "forgetting.json", {"read_by": read_by} | forgetting_content(kept))
    work.funnel = {"scenes": len(asked), "judged": len(kept)}
    work.write_rows(kept, rejected)
    work.progress(len(asked), len(asked))
