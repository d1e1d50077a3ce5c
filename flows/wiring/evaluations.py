"""The finished evaluations of a workspace, with test set and settings, from manifests alone."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flows.wiring.outside_inputs import scores_inputs
from tasks.artifacts.artifact import Artifact, artifacts_of
from tasks.config import EditsConfig, ScoresConfig
from tasks.pages.editor_names import EDITS


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The settings that two evaluations must share to be comparable."""

    test_set: str
    """Digest of the shards that hold the test pairs."""
    classifier: str
    """Digest of the classifier that judges."""
    edits: str
    """Settings of sampling."""
    scores: str
    """Settings of scoring."""

    def differs_in(self, other: "Setting") -> list[str]:
        """Return in words how another setting differs."""
        words = {
            "test_set": "the test set is another one",
            "classifier": "the classifier that judges is another one",
            "edits": "the sampling settings differ",
            "scores": "the scoring settings differ",
        }
        return [text for name, text in words.items() if getattr(self, name) != getattr(other, name)]


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """One editor in a finished scores artifact."""

    series: str
    """Label of the editor's artifact, such as demo or demo-finetuned: editors of one recipe."""
    editor: str
    """Digest of the editor."""
    label: str
    """Label of the editor in the records of the scores."""
    setting: Setting
    scores: Artifact


def plain(config: Any) -> str:
    """Return a config as a text that is equal for equal configs, from a manifest or from a preset."""
    import json

    content = config if isinstance(config, dict) else asdict(config)
    return json.dumps(content, sort_keys=True, default=str)


def setting_of(shards: Artifact, classifier: Artifact, edits: EditsConfig, scores: ScoresConfig) -> Setting:
    """Return the setting of an evaluation that is still to be made."""
    config, weights = scores_inputs(scores)
    return Setting(
        test_set=shards.digest,
        classifier=classifier.digest,
        edits=plain(edits),
        scores=scoring_of(config, {name: weight.digest for name, weight in weights.items()}),
    )


def scoring_of(config: Any, inputs: Mapping[str, str]) -> str:
    """Return how edits are scored as one text: the config, and the digests of the networks' files."""
    weights = {name: digest for name, digest in inputs.items() if name.endswith("_weights")}
    return plain(config) + plain(weights)


def evaluations_of(workspace: Path) -> list[Evaluation]:
    """Return every evaluation of a trained editor, oldest first."""
    edits = {artifact.digest: artifact for artifact in artifacts_of(workspace, "edits")}
    evaluations = []
    for scores in artifacts_of(workspace, "scores"):
        digests = {name: input_["digest"] for name, input_ in scores.manifest["inputs"].items()}
        for name, input_ in scores.manifest["inputs"].items():
            made = edits.get(input_["digest"])
            if not name.startswith(EDITS) or made is None or "artifact" not in made.manifest["inputs"]["editor"]:
                continue
            editor = made.manifest["inputs"]["editor"]
            setting = Setting(
                test_set=scores.manifest["inputs"]["shards"]["digest"],
                classifier=scores.manifest["inputs"]["classifier"]["digest"],
                edits=plain(made.manifest["config"]),
                scores=scoring_of(scores.manifest["config"], digests),
            )
            evaluations.append(
                Evaluation(
                    series=series_of(editor["artifact"]),
                    editor=editor["digest"],
                    label=name.removeprefix(EDITS),
                    setting=setting,
                    scores=scores,
                )
            )
    return evaluations


def series_of(artifact: str) -> str:
    """Return the label of an artifact's place: "editor/demo-finetuned-0123abcd" -> "demo-finetuned"."""
    return artifact.rsplit("/", 1)[-1].rsplit("-", 1)[0]


def before(evaluations: Sequence[Evaluation], now: Evaluation) -> Evaluation | str:
    """Return the last earlier evaluation to compare with, or the reason why there is none."""
    earlier = [
        evaluation
        for evaluation in evaluations
        if evaluation.series == now.series
        and evaluation.editor != now.editor
        and evaluation.scores.path != now.scores.path
    ]
    alike = [evaluation for evaluation in earlier if evaluation.setting == now.setting]
    if alike:
        return alike[-1]
    if not earlier:
        return f"no other editor of {now.series} was evaluated before"
    return " and ".join(now.setting.differs_in(earlier[-1].setting))
