"""What a night evaluates: the judge, and the finished editors that are new on its test set (frozen_set.py)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from flows.wiring.evaluations import Evaluation, Setting, series_of
from flows.wiring.form import Device, PresetName, as_named
from flows.wiring.gate import Margins
from flows.wiring.main_job import Make
from flows.wiring.outside_inputs import scores_inputs
from flows.wiring.presets import PRESETS, preset
from flows.wiring.settings import with_settings
from modeling.editors.channels import is_blind
from modeling.presets import EDITACTION
from tasks.artifacts.artifact import Artifact, Outside, artifacts_of
from tasks.config import RunConfig, RunOptions
from tasks.pages.editor_names import SEED


@dataclass(frozen=True, kw_only=True)
class NightlyRequest:
    """The parameters of the nightly evaluation. Nothing is trained."""

    preset: PresetName = "demo"
    """Recipe whose sampling and scoring settings are used."""
    workspace: str = "workspace"
    """Folder of the artifacts."""
    test_set: str = ""
    """Frozen test set: a splits artifact such as splits/demo-0123abcd, or a list of pairs (Parquet). Left empty: that
    of the preset's newest evaluation, else its oldest splits."""
    videos: str | None = None
    """Folder of the videos, for a list of pairs."""
    editors: tuple[str, ...] = ()
    """Editors to evaluate, such as editor/demo-0123abcd. None: the newest finished one of each recipe."""
    classifier: str = ""
    """Classifier that judges, such as classifier/demo-0123abcd. Left empty: that of the newest evaluation on this test
    set, else the oldest of the workspace."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Dotted settings of edits, scores and report that differ from the preset, such as {"edits.seeds": [0, 1]}."""
    margins: Margins = field(default_factory=Margins)
    """Percentage points that each measure may fall without a failure."""
    workers: int = 0
    """Processes for items; 0: one per core."""
    device: Device = "auto"
    """Torch device."""

    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "use_attribute_docstrings": True,
        "extra": "forbid",
        "json_schema_extra": as_named,
    }

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"There is no preset {self.preset!r}; choose one of {', '.join(PRESETS)}.")
        config_of(self)

    @property
    def options(self) -> RunOptions:
        """Where and how fast to run."""
        return RunOptions(workers=self.workers, device=self.device)


def config_of(request: NightlyRequest) -> RunConfig:
    """Return the recipe; ValueError for settings that it does not have."""
    config: RunConfig = with_settings(preset(request.preset), request.settings)
    return config


def named(workspace: Path, stage: str, name: str) -> Artifact:
    """Return the finished artifact of a stage with this folder; ValueError when there is none."""
    for artifact in artifacts_of(workspace, stage):
        if name.rstrip("/").rsplit("/", 1)[-1] == artifact.path.name:
            return artifact
    raise ValueError(f"There is no finished {stage} {name!r} in {workspace}; `editaction status` lists what there is.")


def of_digest(workspace: Path, stage: str, digest: str) -> Artifact | None:
    """Return the finished artifact with this content; None when there is none."""
    return next((artifact for artifact in artifacts_of(workspace, stage) if artifact.digest == digest), None)


def judge_of(request: NightlyRequest, evaluated: Sequence[Evaluation], shards: Artifact) -> Artifact:
    """Return the classifier; ValueError when none is finished: a night trains nothing."""
    workspace = Path(request.workspace)
    if request.classifier:
        return named(workspace, "classifier", request.classifier)
    for evaluation in reversed(evaluated):
        if evaluation.setting.test_set == shards.digest:
            classifier = of_digest(workspace, "classifier", evaluation.setting.classifier)
            if classifier is not None:
                return classifier
    finished = artifacts_of(workspace, "classifier")
    if not finished:
        raise ValueError(f"{workspace} has no finished classifier; `editaction run --until scores` makes one.")
    return finished[0]


def new_editors(request: NightlyRequest, evaluated: Sequence[Evaluation], setting: Setting) -> list[Artifact]:
    """Return the editors to evaluate: the named ones, else the newest of each recipe if it was not evaluated here."""
    workspace = Path(request.workspace)
    if request.editors:
        return [named(workspace, "editor", name) for name in request.editors]
    newest = {series_of(artifact.path.name): artifact for artifact in artifacts_of(workspace, "editor")}
    done = {evaluation.editor for evaluation in evaluated if evaluation.setting == setting}
    return [artifact for artifact in newest.values() if artifact.digest not in done]


def preset_of(series: str) -> str:
    """Return the preset that a series begins with: "demo-hc-finetuned" -> demo-hc; "" where there is none."""
    return max((name for name in PRESETS if series == name or series.startswith(f"{name}-")), key=len, default="")


def label_of(series: str) -> str:
    """Return the label in score tables of the editors of a series: "demo-hc-finetuned-seed1" -> finetuned__seed_1."""
    method, marked, seed = series.removeprefix(preset_of(series)).strip("-").partition("seed")
    return (method.strip("-") or EDITACTION) + (f"{SEED}{seed}" if marked else "")


def evaluate_editor(
    request: NightlyRequest, editor: Artifact, shards: Artifact, classifier: Artifact, make: Make
) -> tuple[Artifact, Path | None]:
    """Edit the test pictures, score the edits and write the report; return the scores and the report's folder."""
    workspace, config = Path(request.workspace), config_of(request)
    series = series_of(editor.path.name)
    label = label_of(series)
    edits = make("edits", f"{request.preset}-{label}", config.edits, editor=editor.path, shards=shards.path)
    inputs: dict[str, Any] = {f"edits_{label}": edits}
    given = editor.manifest["inputs"]["start"]
    start = Outside(location=given["outside"], digest=given["digest"])
    if start.path.exists() and not is_blind(start.location):
        started = make("edits", f"{request.preset}-start", config.edits, editor=start, shards=shards.path)
        inputs["edits_start"] = started
    before = {name: of_digest(workspace, name, digest) for name, digest in _made_of(workspace, shards).items()}
    told = {name: earlier.path for name, earlier in before.items() if earlier is not None}
    kitchen = (
        {"kitchen": drawn_kitchen}
        if (drawn_kitchen := _kitchen_of(workspace, before.get("videos"))) is not None
        else {}
    )
    scoring, weights = scores_inputs(config.scores)
    more = kitchen | weights
    scores = make("scores", series, scoring, shards=shards.path, classifier=classifier.path, **inputs, **more)
    assert scores is not None
    report = make(
        "report",
        series,
        config.report,
        scores=scores,
        editor=editor.path,
        shards=shards.path,
        classifier=classifier.path,
        **told,
        **inputs,
        **kitchen,
    )
    return Artifact.read(scores), report


def _made_of(workspace: Path, shards: Artifact) -> dict[str, str]:
    """Return the digests of the artifacts that the shards were made of."""
    digests = {name: shards.manifest["inputs"][name]["digest"] for name in ("frames", "splits")}
    frames = of_digest(workspace, "frames", digests["frames"])
    if frames is not None:
        inputs = frames.manifest["inputs"]
        digests |= {name: inputs[name]["digest"] for name in ("segments", "videos") if name in inputs}
    return digests


def _kitchen_of(workspace: Path, videos: Artifact | None) -> Path | None:
    """Return the drawn kitchen that the videos lie in, None for videos from elsewhere."""
    if videos is None:
        return None
    folder = Path(videos.manifest["inputs"]["folder"].get("outside", "")).parent
    for kitchen in artifacts_of(workspace, "kitchen"):
        if kitchen.path.name == folder.name and folder.parent.name == "kitchen":
            return kitchen.path
    return None
