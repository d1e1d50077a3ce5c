"""What a person asks of the main job: plain values, as a form, a schedule or the command line gives them."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from flows.wiring.form import Device, MethodName, PresetName, Until, as_form
from modeling.config import CacheMode, EmaPlace
from modeling.presets import EDITACTION
from tasks.artifacts.addresses import full_address
from tasks.artifacts.storage import STORE_VARIABLE
from tasks.config import Fetch, Patience, RunOptions
from tasks.fetching.sites import MIRROR_VARIABLE


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a person, a deployment or a schedule asks for. The values are plain, so a flow takes them as JSON."""

    preset: PresetName = "demo"
    """Name of the recipe."""
    workspace: str = "workspace"
    """Folder of the artifacts."""
    annotations: str | None = None
    """Annotation file, when the preset does not draw its own kitchen."""
    more_annotations: list[str] = field(default_factory=list)
    """Further annotation files of the same dataset, such as EPIC's validation."""
    videos: str | None = None
    """Folder of the videos, when the preset does not draw its own kitchen."""
    start: str | None = None
    """Folder or hub id to train from instead of the preset's."""
    long_distance: str | None = None
    """CSV of the segments that a person chose as the long-distance test set."""
    until: Until = "report"
    """Last stage to run."""
    settings: dict[str, Any] = field(default_factory=dict)
    """Dotted settings that differ from the preset, such as {"editor.num_steps": 100}."""
    workers: int = 0
    """Processes for decoding and drawing; 0 means one per core."""
    device: Device = "auto"
    """Torch device."""
    fetch: Fetch = "local"
    """Where videos come from: local | download | ranges."""
    mirror: str | None = None
    """Address that takes the place of the official sites of videos."""
    connections: int = 4
    """Files that are fetched at the same time."""
    retries: int = 6
    """Retries in a row without progress; any byte received resets the count."""
    methods: tuple[MethodName | str, ...] = (EDITACTION,)
    """Objectives to train and evaluate beside each other, on the same data (modeling/presets.py names them)."""
    training_seeds: tuple[int, ...] = ()
    """Seeds under which each method is trained, each giving an editor of its own; empty takes the recipe's one seed."""
    measure: tuple[str, ...] = ()
    """Further measurements of editors and edits (told_apart, forgetting, timing; verdicts of a drawn kitchen)."""
    editors: tuple[str, ...] = ()
    """Further editors: text-to-image methods (all: the five), or pipelines that settings `editors.NAME` give."""
    edits: dict[str, str] = field(default_factory=dict)
    """Pictures that other systems made: name of the row -> folder of SEED/SEGMENT_ID.png, or CSV."""
    safe: bool = False
    """Train with clipped gradients and a warm-up."""
    processes: int = 1
    """Processes that train an editor together, one a GPU."""
    validate_every: int = 0
    """Training steps between looks at fixed examples; 0: never."""
    micro_batch: int = 0
    """Training examples in one forward pass; 0: all, halved where they do not fit."""
    gradient_checkpointing: bool = False
    """Train with less memory and more time."""
    compile: bool = False
    """Compile the U-Net for training."""
    ema_on: EmaPlace = "device"
    """Where training keeps the averaged weights: device or cpu."""
    cache: CacheMode = "auto"
    """Whether training computes all latents once."""
    refresh: tuple[str, ...] = ()
    """Stages to build again although they are there."""
    retry_failed: bool = False
    """Try failed items again, whatever their reason."""
    item_limit_s: float = 7_200.0
    """Seconds that one item, a video say, may take before it counts as timed_out."""
    max_failed_share: float = 0.5
    """Share of the segments, 0 to 1, that may fail in frames; the run ends before training where more did."""
    items_on: str = "processes"
    """Where items (videos, edits, scores) are worked on: processes (of this machine) | dask (a local cluster) | address
    of a Dask scheduler, such as tcp://host:8786."""
    store: str | None = None
    """Address of object storage that machines share, such as s3://bucket/path: finished artifacts go there and come
    from there."""

    # What Prefect's form shows and its server checks: the sentences above, and the values of form.py.
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "use_attribute_docstrings": True,
        "extra": "forbid",
        "json_schema_extra": as_form,
    }

    @property
    def options(self) -> RunOptions:
        """Where and how fast to run."""
        return RunOptions(
            workers=self.workers,
            device=self.device,
            fetch=self.fetch,
            mirror=full_address(self.mirror, MIRROR_VARIABLE),
            connections=self.connections,
            patience=Patience(retries=self.retries),
            processes=self.processes,
            validate_every=self.validate_every,
            micro_batch=self.micro_batch,
            gradient_checkpointing=self.gradient_checkpointing,
            compile=self.compile,
            ema_on=self.ema_on,
            cache=self.cache,
            refresh=tuple(self.refresh),
            retry_failed=self.retry_failed,
            item_limit_s=self.item_limit_s,
            items_on=self.items_on,
            store=full_address(self.store, STORE_VARIABLE),
        )
