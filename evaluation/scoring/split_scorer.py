"""Test examples + an editor's pictures -> what a score table needs of them: features, predictions, verdicts.

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
from evaluation.metrics.fid import FeatureNetwork
from evaluation.scoring.rows import Candidate, SplitPairs
from modeling.data.example import Example
from modeling.data.images import Picture


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The trained classifier, FID's network and the kitchen's goals."""

    model: TimesformerForVideoClassification
    """Tells the action of a clip."""
    labels: tuple[str, ...]
    """Its actions."""
    size_px: int
    """Side of the frames it sees."""
    channel_order: ChannelOrder
    """Order of the colours it sees."""
    network: FeatureNetwork
    """FID's features."""
    goals: Mapping[str, dict[str, Any]]
    """Goal of each judged segment."""

    def actions_seen(self, inputs: Sequence[Picture], edits: Sequence[Picture]) -> NDArray[np.int64]:
        """Return the action seen in each pair of pictures."""
        clips = (pair_clip(before, after, self.size_px) for before, after in zip(inputs, edits, strict=True))
        return predict_actions(self.model, clips, self.channel_order)


def verdicts(
    judge_of: Judge, examples: Sequence[Example], judged: NDArray[np.intp], pictures: Sequence[Picture]
) -> NDArray[np.bool_]:
    """Return carried out and kept of the judged pairs: bool [num_judged, 2]."""
    seen = [judge(dict(judge_of.goals[examples[place].segment_id]), pictures[place]) for place in judged]
    return np.array([(each.carried_out, each.kept) for each in seen], dtype=np.bool_).reshape(len(judged), 2)


class SplitScorer:
    """Scores candidates on the pairs of one split; holds the pictures and predictions that all of them share."""

    def __init__(self, judge_of: Judge, examples: Sequence[Example], split: str) -> None:
        self.judge = judge_of
        self.examples = examples
        self.inputs = [example.source_image for example in examples]
        self.truths = [example.edited_image for example in examples]
        self.labels = label_indices([example.verb for example in examples], judge_of.labels)
        self.truth_predictions = judge_of.actions_seen(self.inputs, self.truths)
        free = [i for i, each in enumerate(examples) if each.segment_id in judge_of.goals and not each.overlaps]
        self.pairs = SplitPairs(
            segment_ids=tuple(example.segment_id for example in examples),
            verbs=tuple(example.verb for example in examples),
            input_features=judge_of.network.features(self.inputs),
            truth_features=judge_of.network.features(self.truths),
            judged=np.array(free, dtype=np.intp),
            with_fid_input=not split.startswith("long"),
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
        training_seeds = tuple(training for training, _ in by_seed if training is not None)
        right = [
            matches(self.judge.actions_seen(self.inputs, pictures), self.truth_predictions, self.labels)
            for pictures in by_seed.values()
        ]
        seen = np.stack([verdicts(self.judge, self.examples, self.pairs.judged, each) for each in by_seed.values()], 1)
        with_oracle = bool(len(self.pairs.judged))
        return Candidate(
            editor=editor,
            name=name,
            kind="editor" if is_editor else "reference",
            seeds=tuple(seed for _, seed in by_seed),
            training_seeds=training_seeds,
            features=tuple(self.judge.network.features(pictures) for pictures in by_seed.values()),
            match_gt=np.stack([each.match_gt for each in right], axis=1),
            label=np.stack([each.label for each in right], axis=1),
            carried_out=seen[:, :, 0] if with_oracle else None,
            kept=seen[:, :, 1] if with_oracle else None,
        )
