"""Some test pairs + a candidate's pictures -> its measures pair by pair, and the features that set metrics need.

Pictures are decoded only when they are needed. What all candidates share (features of inputs and ground truths, actions
seen in the truths) is computed once and passed in.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from transformers import TimesformerForVideoClassification

from evaluation.classifier.clips import pair_clip
from evaluation.classifier.timesformer import ChannelOrder
from evaluation.kitchen.judge import judge
from evaluation.metrics.action_accuracy import label_indices, matches, predict_actions
from evaluation.metrics.fid import FeatureNetwork, Features
from evaluation.metrics.preservation import changed_region, is_unchanged, psnr_outside, ssim_outside
from evaluation.metrics.similarity import nearer_to_truth, paired_distance
from evaluation.scoring.measures import BESIDE
from modeling.data.example import Example
from modeling.data.images import Picture, squash

Arrays = dict[str, NDArray[Any]]
"""The results of some pairs by name, pairs along the first axis."""


@dataclass(frozen=True, kw_only=True)
class Judge:
    """The trained classifier, FID's network and the kitchen's goals."""

    model: TimesformerForVideoClassification
    """Tells the action of a clip."""
    labels: tuple[str, ...]
    """Names of the actions that the classifier knows."""
    size_px: int
    """Side of the frames it sees."""
    channel_order: ChannelOrder
    """Order of the colours it sees."""
    network: FeatureNetwork
    """FID's features."""
    paired_network: FeatureNetwork | None
    """Features of the paired distances; None: those of FID. With two networks every measure is taken on both."""
    goals: Mapping[str, dict[str, Any]]
    """Goal of each judged segment."""

    def actions_seen(self, inputs: Sequence[Picture], edits: Sequence[Picture]) -> NDArray[np.int64]:
        """Return the action seen in each pair of pictures."""
        clips = (pair_clip(before, after, self.size_px) for before, after in zip(inputs, edits, strict=True))
        return predict_actions(self.model, clips, self.channel_order)

    def features(self, pictures: Sequence[Picture]) -> Arrays:
        """Return the features of both networks, as small as they can be kept exactly."""
        of_networks = {"features": _compact(self.network.features(pictures))}
        if self.paired_network is not None:
            of_networks["paired"] = _compact(self.paired_network.features(pictures))
        return of_networks


@dataclass(frozen=True, kw_only=True)
class Column:
    """One picture for every pair: an editor under one training and sampling seed, or a reference."""

    editor: str
    """Label of the editor in the table."""
    name: str
    """Name as it is printed."""
    label: str
    """Key of its stored results; no two columns share it."""
    picture_of: Callable[[Example], Picture] | Literal["input", "truth"]
    """Function that reads the picture of an example, or "input" or "truth" for these pictures themselves."""
    kind: Literal["reference", "editor"] = "editor"
    seed: int = 0
    """Sampling seed; a reference has a nominal one."""
    training_seed: int | None = None


class Part:
    """Some pairs of a split. Pictures are decoded only when they are needed."""

    def __init__(self, judge_of: Judge, examples: Sequence[Example]) -> None:
        self._judge = judge_of
        self._examples = examples

    @cached_property
    def inputs(self) -> list[Picture]:
        return [example.source_image for example in self._examples]

    @cached_property
    def truths(self) -> list[Picture]:
        return [example.edited_image for example in self._examples]

    @cached_property
    def regions(self) -> list[NDArray[np.bool_]]:
        return [changed_region(*input_) for input_ in zip(self.inputs, self.truths, strict=True)]

    def shared(self) -> Arrays:
        """Return what all candidates are compared with: input_, truth_ features, and the actions seen in truths."""
        compared = {f"input_{name}": feature for name, feature in self._judge.features(self.inputs).items()}
        compared |= {f"truth_{name}": feature for name, feature in self._judge.features(self.truths).items()}
        return compared | {"truth_actions": self._judge.actions_seen(self.inputs, self.truths)}

    def measured(self, column: Column, shared: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return every measure of one picture per pair, [pairs] each, and the features that set metrics need."""
        if isinstance(column.picture_of, str):
            pictures = self.inputs if column.picture_of == "input" else self.truths
            features = {name: shared[f"{column.picture_of}_{name}"] for name in _feature_names(shared)}
        else:
            made = [column.picture_of(example) for example in self._examples]
            pictures = [_like(picture, before) for picture, before in zip(made, self.inputs, strict=True)]
            features = self._judge.features(pictures)
        labels = label_indices([example.verb for example in self._examples], self._judge.labels)
        seen = (
            shared["truth_actions"] if column.picture_of == "truth" else self._judge.actions_seen(self.inputs, pictures)
        )
        right = matches(seen, shared["truth_actions"], labels)
        values: Arrays = {"match_gt": right.match_gt.astype(np.float64), "label": right.label.astype(np.float64)}
        if self._judge.goals:
            done = verdicts(self._judge, self._examples, pictures)
            values |= {"carried_out": done[:, 0], "kept": done[:, 1]}
        return values | self._distances(features, shared) | self._kept_outside(pictures) | features

    @staticmethod
    def _distances(features: Mapping[str, NDArray[Any]], shared: Mapping[str, NDArray[Any]]) -> Arrays:
        """Return the distances on the paired network's features and, beside them, on those of FID's network."""
        distances: Arrays = {}
        kinds = {"paired": "", "features": BESIDE} if "paired" in features else {"features": ""}
        for kind, end in kinds.items():
            truths, inputs = shared[f"truth_{kind}"], shared[f"input_{kind}"]
            to_truth = paired_distance(features[kind], truths)
            distances[f"distance_truth{end}"] = to_truth
            distances[f"distance_input{end}"] = paired_distance(features[kind], inputs)
            distances[f"nearer{end}"] = nearer_to_truth(to_truth, paired_distance(inputs, truths))
        return distances

    def _kept_outside(self, pictures: Sequence[Picture]) -> Arrays:
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


def verdicts(judge_of: Judge, examples: Sequence[Example], pictures: Sequence[Picture]) -> NDArray[np.float64]:
    """Return carried out and kept of every pair: [num_pairs, 2]; NaN for those without a goal or with an overlap."""
    verdict_table = np.full((len(examples), 2), np.nan)
    for place, (example, picture) in enumerate(zip(examples, pictures, strict=True)):
        goal = judge_of.goals.get(example.segment_id)
        if goal is not None and not example.overlaps:
            seen = judge(dict(goal), picture)
            verdict_table[place] = seen.carried_out, seen.kept
    return verdict_table


def _feature_names(shared: Mapping[str, NDArray[Any]]) -> list[str]:
    return [name.removeprefix("truth_") for name in shared if name in ("truth_features", "truth_paired")]


def _compact(features: Features) -> NDArray[Any]:
    """Return features as float32 where that is exact: most networks compute in this type."""
    small = features.astype(np.float32)
    return small if np.array_equal(small.astype(np.float64), features) else features


def _like(picture: Picture, before: Picture) -> Picture:
    """Return a picture in the size of its input: editors may work at another side than the shards."""
    return picture if picture.shape == before.shape else squash(picture, before.shape[0])
