"""Test examples + an editor's pictures -> features, predictions and verdicts for a score table.

The pictures and predictions that all editors of a split share (inputs, ground truth) are made once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import TimesformerForVideoClassification

from evaluation.classifier.clips import pair_clip
from evaluation.classifier.timesformer import ChannelOrder
from evaluation.kitchen.judge import judge
from evaluation.metrics.action_accuracy import label_indices, matches, predict_actions
from evaluation.metrics.by_pair import fid_by_pair, kid_by_pair
from evaluation.metrics.fid import FeatureNetwork, Features
from evaluation.metrics.preservation import changed_region, is_unchanged, psnr_outside, ssim_outside
from evaluation.metrics.similarity import nearer_to_truth, paired_distance
from evaluation.scoring.rows import Candidate, SplitPairs, halves_of
from modeling.data.example import Example
from modeling.data.images import Picture, squash


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The trained classifier, FID's network and the kitchen's goals."""

    model: TimesformerForVideoClassification
    """The classifier of actions."""
    labels: tuple[str, ...]
    """Its actions."""
    size_px: int
    """Side of its frames."""
    channel_order: ChannelOrder
    """Order of its colour channels."""
    network: FeatureNetwork
    """FID's features."""
    paired_network: FeatureNetwork | None
    """Features of the paired distances; None: those of FID."""
    goals: Mapping[str, dict[str, Any]]
    """Goal of each judged segment."""

    def actions_seen(self, inputs: Sequence[Picture], edits: Sequence[Picture]) -> NDArray[np.int64]:
        """Return the action seen in each pair of pictures."""
        clips = (pair_clip(before, after, self.size_px) for before, after in zip(inputs, edits, strict=True))
        return predict_actions(self.model, clips, self.channel_order)


def verdicts(judge_of: Judge, examples: Sequence[Example], pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Return carried out and kept of every pair: [num_pairs, 2]; NaN for those without a goal or with an overlap."""
    found = np.full((len(examples), 2), np.nan)
    for place, (example, picture) in enumerate(zip(examples, pictures, strict=True)):
        goal = judge_of.goals.get(example.segment_id)
        if goal is not None and not example.overlaps:
            seen = judge(dict(goal), picture)
            found[place] = seen.carried_out, seen.kept
    return found


class SplitScorer:
    """Scores candidates on the pairs of one split, and keeps what all of them share. Features are computed once."""

    def __init__(self, judge_of: Judge, examples: Sequence[Example], split: str) -> None:
        self.judge = judge_of
        self.examples = examples
        self.inputs = [example.source_image for example in examples]
        self.truths = [example.edited_image for example in examples]
        self.labels = label_indices([example.verb for example in examples], judge_of.labels)
        self.truth_predictions = judge_of.actions_seen(self.inputs, self.truths)
        self.regions = [changed_region(*each) for each in zip(self.inputs, self.truths, strict=True)]
        self.input_features = judge_of.network.features(self.inputs)
        self.truth_features = judge_of.network.features(self.truths)
        self.paired_inputs, self.paired_truths = self.input_features, self.truth_features
        if judge_of.paired_network is not None:
            self.paired_inputs = judge_of.paired_network.features(self.inputs)
            self.paired_truths = judge_of.paired_network.features(self.truths)
        # Long-distance edits should differ from their input (paper, section 5).
        self.with_input_sets = not split.startswith("long")
        self.pairs = SplitPairs(
            split=split,
            segment_ids=tuple(example.segment_id for example in examples),
            video_ids=tuple(example.video_id for example in examples),
            verbs=tuple(example.verb for example in examples),
            halves=halves_of(self.truth_features),
        )

    def candidate(
        self,
        editor: str,
        name: str,
        by_seed: Mapping[tuple[int | None, int], Sequence[Picture]],
        *,
        is_editor: bool = True,
    ) -> Candidate:
        """Measure an editor's (or a reference's) pictures: one list for each training seed (or None) and seed."""
        columns = [self._values(pictures) for pictures in by_seed.values()]
        return Candidate(
            editor=editor,
            name=name,
            kind="editor" if is_editor else "reference",
            seeds=tuple(seed for _, seed in by_seed),
            training_seeds=tuple(training for training, _ in by_seed if training is not None),
            values={each: np.stack([column[each] for column in columns], axis=1) for each in columns[0]},
        )

    def _values(self, pictures: Sequence[Picture]) -> dict[str, NDArray[np.float64]]:
        """Return every measure of one picture a pair: [num_pairs] each."""
        pictures = [_like(picture, before) for picture, before in zip(pictures, self.inputs, strict=True)]
        features = self.judge.network.features(pictures)
        paired = features if self.judge.paired_network is None else self.judge.paired_network.features(pictures)
        right = matches(self.judge.actions_seen(self.inputs, pictures), self.truth_predictions, self.labels)
        values = {"match_gt": right.match_gt.astype(np.float64), "label": right.label.astype(np.float64)}
        if any(example.segment_id in self.judge.goals for example in self.examples):
            seen = verdicts(self.judge, self.examples, pictures)
            values |= {"carried_out": seen[:, 0], "kept": seen[:, 1]}
        values["distance_truth"] = paired_distance(paired, self.paired_truths)
        values["distance_input"] = paired_distance(paired, self.paired_inputs)
        of_inputs = paired_distance(self.paired_inputs, self.paired_truths)
        values["nearer"] = nearer_to_truth(values["distance_truth"], of_inputs)
        if len(pictures) > 1:
            values |= self._set_values(features)
        return values | self._kept_outside(pictures)

    def _set_values(self, features: Features) -> dict[str, NDArray[np.float64]]:
        references = {"output": self.truth_features}
        if self.with_input_sets:
            references["input"] = self.input_features
        values = {}
        for name, reference in references.items():
            values[f"fid_{name}"] = fid_by_pair(features, reference)
            values[f"kid_{name}"] = kid_by_pair(features, reference)
        return values

    def _kept_outside(self, pictures: Sequence[Picture]) -> dict[str, NDArray[np.float64]]:
        rows = [
            (
                psnr_outside(picture, before, region),
                ssim_outside(picture, before, region),
                is_unchanged(picture, before, truth, region),
            )
            for picture, before, truth, region in zip(pictures, self.inputs, self.truths, self.regions, strict=True)
        ]
        table = np.array(rows, dtype=np.float64).reshape(-1, 3)
        return {"psnr_outside": table[:, 0], "ssim_outside": table[:, 1], "no_change": table[:, 2]}


def _like(picture: Picture, before: Picture) -> Picture:
    """Return a picture in the size of its input: editors may work at another side than the shards."""
    return picture if picture.shape == before.shape else squash(picture, before.shape[0])
