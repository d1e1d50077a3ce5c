"""A classifier's artifact + a config -> what judges edits: classifier, feature networks, goals."""

from collections.abc import Mapping

from evaluation.classifier.timesformer import load_timesformer
from evaluation.metrics.fid import feature_network
from evaluation.scoring.pair_measures import Judge
from modeling.json_text import read_json
from tasks.artifacts.artifact import Artifact, Outside, Record
from tasks.config import ScoresConfig

MAX_LABEL_BYTES = 1 << 24
"""Largest labels.json and accuracy.json; EPIC-KITCHENS-100's have some KB."""


def labels_of(classifier: Artifact) -> tuple[str, ...]:
    """Return the actions in the order of the logits; ValueError, which names the file, when it holds anything else."""
    path = classifier.path / "labels.json"
    labels = read_json(path, at_most=MAX_LABEL_BYTES)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels) or not labels:
        raise ValueError(f"{path}: this is no list of actions. Remove the artifact; a run makes it again.")
    return tuple(labels)


def load_judge(
    classifier: Artifact, config: ScoresConfig, goals: Mapping[str, Record], weights: Mapping[str, Outside]
) -> Judge:
    """Open the classifier and the feature networks; `weights`: where the inputs fid_weights and paired_weights lie."""
    paired, places = config.paired_features, {name: weight.location for name, weight in weights.items()}
    fid_weights = places.get("fid_weights", config.fid_weights)
    paired_weights = places.get("paired_weights", config.paired_weights)
    if (paired, paired_weights) == (config.fid_features, fid_weights):
        paired = None  # one network, whose features are computed once
    return Judge(
        model=load_timesformer(classifier.path / "model"),
        labels=labels_of(classifier),
        size_px=classifier.manifest["config"]["size_px"],
        channel_order=classifier.manifest["config"]["channel_order"],
        network=feature_network(config.fid_features, fid_weights, config.fid_resize),
        paired_network=None
        if paired is None
        else feature_network(paired, paired_weights, config.fid_resize, "scores.paired_weights"),
        goals=goals,
    )
