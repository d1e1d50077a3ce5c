"""The config of each stage, in the order of the stages: the whole recipe on one page.

It imports neither torch nor Prefect, so `editaction status`, `--plan` and `--help` answer at once. RunOptions, which
say where and how fast a stage runs, are part of no config and of no key.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from modeling.config import CacheMode, EmaPlace, NegativeKind, SamplingConfig, TrainConfig
from modeling.editors.settings import (
    EditPrecision,
    ImagicConfig,
    MasaCtrlConfig,
    MethodConfig,
    NoiseSpaceConfig,
    PipelineConfig,
    PlugAndPlayConfig,
    ProxMasaCtrlConfig,
    check_class_name,
)

Reader = Literal["epic", "mpii", "table", "pairs", "lerobot"]
EpicSubset = Literal["extension", "epic55", "all"]
ImageFormat = Literal["png", "jpeg"]
SplitMethod = Literal["paper", "video-disjoint", "participant-disjoint"]
Features = Literal["fixed-random", "inception", "efficientnet", "dinov2"]
"""Feature networks that FID, KID and the paired distances can use."""
Fetch = Literal["local", "download", "ranges"]


@dataclass(frozen=True, kw_only=True)
class KitchenConfig:
    """The drawn world in which actions are played: stage `kitchen`."""

    style: Literal["mpii", "epic"] = "mpii"
    """mpii: fixed camera, MPII .mat annotations. epic: head camera, EPIC-100 CSV."""
    num_videos: int = 160
    """Videos to act out and encode."""
    seed: int = 0
    """Seed of every scene and action."""


@dataclass(frozen=True, kw_only=True)
class SegmentsConfig:
    """Annotation rows -> segments."""

    reader: Reader
    """Which annotation format."""
    epic_subset: EpicSubset = "extension"
    """EPIC-100 rows to use; the paper's HC is the extension."""
    mpii_frame_origin: Literal[0, 1] = 1
    """Number of a video's first frame in MPII's startFrame (public readers disagree)."""
    lerobot_cameras: tuple[str, ...] = ()
    """Cameras of a LeRobot data set, such as observation.images.top; empty: all of them."""


@dataclass(frozen=True, kw_only=True)
class VideosConfig:
    """Segments + a folder -> the video files that are needed. There are no settings."""


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """Segments + videos -> first and last frame of each."""

    size_px: int = 512
    """Side of the square pictures kept (squashed by LANCZOS while decoding)."""
    image_format: ImageFormat = "jpeg"
    """jpeg: quality 95, 4:4:4; png: lossless, for small pictures."""
    deinterlace: Literal["none", "bwdif"] = "none"
    """bwdif: deinterlace each frame of two fields into one picture, for true interlaced films; such files are decoded
    whole.
    """
    time_zero: Literal["first_frame", "container"] = "first_frame"
    """Zero of the times: the first frame shown, or the container's start (as players count)."""
    crop: Literal["stored", "container"] = "stored"
    """stored: whole pictures; container: without what an MP4's clean aperture or Matroska's PixelCrop cuts off."""


@dataclass(frozen=True, kw_only=True)
class QualityLimits:
    """Pairs outside these limits are filtered; None sets no limit. tasks/cutting/quality.py defines the measures."""

    min_sharpness: float | None = None
    """Least sharpness of the blurrier picture; reason `blurred`."""
    min_brightness: float | None = None
    """Least brightness of the darker picture; `too_dark`."""
    max_brightness: float | None = None
    """Greatest brightness of the brighter picture; `too_bright`."""
    min_change: float | None = None
    """Least difference of the two pictures; `no_change`."""
    min_motion: float | None = None
    """Least changed area after the camera's shift is undone; `no_motion`."""
    max_motion: float | None = None
    """Greatest changed area; `too_much_motion`."""
    max_camera_shift: float | None = None
    """Greatest shift of the view; `camera_moved`."""
    max_scene_cut: float | None = None
    """Greatest distance of the colours; `scene_cut`."""


@dataclass(frozen=True, kw_only=True)
class SplitsConfig:
    """Frame pairs -> disjoint training and test sets."""

    method: SplitMethod = "paper"
    """paper: random test pairs. video-disjoint, participant-disjoint: no training pair shares its video or participant
    with a test pair.
    """
    held_out_share: float = 0.05
    """Least share of the videos or participants that a disjoint method holds out."""
    num_test: int = 500
    """Random test pairs (the paper's test500)."""
    num_long_distance: int = 0
    """Test pairs of long-distance actions (the paper's test100 for HC)."""
    num_validation: int = 0
    """Held-out pairs taken from the training pairs, for choosing settings."""
    verbs: tuple[str, ...] = ()
    """Use only pairs of these verbs and filter the others; empty: all verbs."""
    unseen_combinations: tuple[str, ...] = ()
    """Combinations of verb and kind of thing, such as "move cup", that no training pair has, whatever else the object's
    name says.
    """
    num_unseen: int = 0
    """Number of test pairs of these combinations; the other pairs of them are filtered."""
    withhold_verbs: tuple[str, ...] = ()
    """Verbs, as `editaction dataset` lists them, that nobody is trained on; their pairs are a test set of their own."""
    num_withheld: int | None = None
    """Test pairs of these verbs; the others of them are filtered. None: as many as num_test, or all where fewer."""
    num_train: int | None = None
    """Train on this many pairs and filter the others, to study small training sets; None: on all remaining pairs."""
    max_test_share: float = 1.0
    """Each test set takes at most this share of all pairs; below it num_test is exact or an error."""
    test_without_overlap: bool = False
    """Draw test pairs only among segments that overlap no other segment of their video."""
    quality: QualityLimits = field(default_factory=QualityLimits)
    """Limits below which pairs are not used; no limits by default, as in the paper."""
    seed: int = 0
    """Key of the hash by which the splits are drawn."""

    def __post_init__(self) -> None:
        if not 0 <= self.held_out_share < 1:
            raise ValueError(f"held_out_share is {self.held_out_share}; it is a share in [0, 1).")
        if bool(self.unseen_combinations) != bool(self.num_unseen):
            raise ValueError("unseen_combinations and num_unseen go together: name both, or neither.")
        if self.unseen_combinations and self.method != "paper":
            raise ValueError(f"unseen_combinations need the method 'paper'; {self.method} holds out other things.")
        if self.num_withheld is not None and (self.num_withheld < 1 or not self.withhold_verbs):
            raise ValueError(
                f"num_withheld is {self.num_withheld}; it is at least 1 and goes with withhold_verbs: name both."
            )
        if self.num_train is not None and self.num_train < 1:
            raise ValueError(f"num_train is {self.num_train}; it must be at least 1, or None for all.")


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """Segments, pairs and splits -> one HTML page about the data."""

    title: str = "The dataset"
    """Heading of the page."""
    paper: Literal["lc", "hc"] | None = None
    """Dataset of the paper whose figures are shown beside the measured ones; None: no figures."""
    num_shown_pairs: int = 12
    """Pairs shown."""


@dataclass(frozen=True, kw_only=True)
class ShardsConfig:
    """Split pairs -> WebDataset tars."""

    examples_per_shard: int = 1_000
    """Examples in one tar."""


@dataclass(frozen=True, kw_only=True)
class ClassifierConfig:
    """The action classifier: a TimeSformer on 8 frames of each training segment."""

    start: str | None = None
    """Pretrained weights: hub folder, hub id or an original .pyth file; None: train a small classifier from scratch."""
    num_heads: int | None = None
    """Attention heads of an original .pyth file, which does not say; None: width / 64, as published."""
    size_px: int = 48
    """Side of the frames it sees (224 for the published checkpoints)."""
    patch_px: int = 16
    """Side of a patch of the small classifier (16 of 48 px: a cell of the kitchen)."""
    width: int = 96
    """Token width of the small classifier; a multiple of 32."""
    num_layers: int = 2
    """Number of blocks of the small classifier."""
    pair_clip_share: float = 0.0
    """Share of training clips that show the input four times and the edited picture four times, as in the scoring of
    edits.

    The paper's classifier sees films only (0); the small classifier is trained on both, so that the ground truth scores
    well.
    """
    num_epochs: int = 15
    """Passes over the training segments."""
    max_segments: int | None = None
    """Train on at most this many segments, drawn by the seed."""
    learning_rate: float = 5e-3
    """Learning rate: of SGD for published checkpoints, of AdamW for the small classifier."""
    batch_size: int = 64
    """Clips a step."""
    moments_per_part: int = 3
    """Odd number of moments kept of each eighth of a segment: training draws one of them, testing takes the middle."""
    channel_order: Literal["rgb", "bgr"] = "rgb"
    """bgr for weights pretrained on Something-Something-V2 by the reference code."""
    seed: int = 0
    """Seed of weights, order and frame sampling."""

    def __post_init__(self) -> None:
        if self.moments_per_part < 1 or self.moments_per_part % 2 == 0:
            raise ValueError(f"moments_per_part is {self.moments_per_part}; it is odd, so that there is a middle one.")
        if not 0 <= self.pair_clip_share <= 1:
            raise ValueError(f"pair_clip_share is {self.pair_clip_share}; it is a share in [0, 1].")


def _check_seeds(name: str, seeds: tuple[int, ...]) -> None:
    """Raise ValueError unless there is at least one seed, all are at least 0, and none is given twice."""
    if not seeds or min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise ValueError(f"{name} is {list(seeds)}; give at least one whole number from 0, and none twice.")


@dataclass(frozen=True, kw_only=True)
class EditsConfig:
    """Editors x test pictures x seeds -> edited pictures."""

    sampling: SamplingConfig = field(default_factory=SamplingConfig)
    """Settings of the sampling."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One edit of each test picture per seed."""

    def __post_init__(self) -> None:
        _check_seeds("edits.seeds", self.seeds)


@dataclass(frozen=True, kw_only=True)
class ScoresConfig:
    """Edits -> FID, action accuracy and, in the kitchen, what the oracle sees."""

    fid_features: Features = "fixed-random"
    """Network of FID and KID. fixed-random: a convolutional network with fixed random weights; inception: the paper's,
    from `fid_weights`; efficientnet: EfficientNet-Lite0; dinov2: a Dinov2Model.
    """
    fid_weights: str | None = None
    """File of the FID Inception or of EfficientNet-Lite0; folder or hub id of the Dinov2Model."""
    fid_resize: Literal["pytorch_fid", "torch_fidelity", "clean_fid"] = "pytorch_fid"
    """Preprocessing for the Inception: as in pytorch-fid, torch-fidelity (TensorFlow 1) or clean-fid."""
    paired_features: Features | None = None
    """Network of the paired distances; None: the one of FID. Where it is another one, every measure of features stands
    in the tables twice, once on each network, under the network's name."""
    paired_weights: str | None = None
    """File, folder or hub id of the network's weights."""


@dataclass(frozen=True, kw_only=True)
class VerdictsConfig:
    """Edits -> the verdicts of the kitchen's oracle. There are no settings."""


@dataclass(frozen=True, kw_only=True)
class ToldApartConfig:
    """An editor -> its errors under c and under other instructions, on test pairs."""

    num_draws: int = 2
    """Noises and timesteps of each pair, shared by all instructions and all editors."""
    kinds: tuple[NegativeKind, ...] = ("disjoint", "same_verb", "same_object")
    """Kinds of other instructions; they are drawn from the instructions of all test pairs."""
    seed: int = 0
    """Seed of noise, timesteps and other instructions."""

    def __post_init__(self) -> None:
        if "swapped" in self.kinds:
            raise ValueError("kinds: swapped instructions do not come from pairs; choose other kinds.")


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Scores and provenance -> one HTML page."""

    title: str = "EditAction"
    """Heading of the report."""
    notes: tuple[str, ...] = ()
    """Plain sentences shown beside the configuration, such as why a preset departs from the paper."""
    num_grid_rows: int = 12
    """Test pairs shown first."""
    num_figure_rows: int = 6
    """Pairs shown of long-distance actions, of unseen verbs, and of the worst edits."""
    paper: Literal["lc", "hc"] | None = None
    """Dataset of the paper whose values stand beside ours in the tables; None, or a drawn kitchen: none do."""


@dataclass(frozen=True, kw_only=True)
class SurveyConfig:
    """Test pairs + edits -> pages on which people rate them."""

    camera: Literal["fixed", "head"] = "fixed"
    """head: the pages mention the head camera, and long-distance pairs get question R5 alone."""
    questions: tuple[str, ...] = ()
    """Questions, of R1 to R5; empty: those of the paper."""
    num_items: int = 100
    """Number of rated pairs of each test set."""
    items_per_form: int = 10
    """Number of pairs in one rater's form."""
    num_controls: int = 3
    """Control pictures of a form, whose right answer is known; at most one per pair."""
    seed: int = 0
    """Seed of the choice of pairs and of the pictures' codes."""
    title: str = "Rating edited pictures"
    """Heading of the page."""
    platform_code: str = ""
    """Completion code that a platform needs at the end; empty: a code of the page's own."""
    base_url: str = ""
    """Address that comes before the names of pictures in the files for platforms, with a slash at its end."""
    paper: Literal["", "LC", "HC"] = ""
    """The paper's data set that this one is; the paper's values are then shown beside the results."""

    def __post_init__(self) -> None:
        if self.num_items < 1 or self.items_per_form < 1 or self.num_controls < 0:
            raise ValueError(
                f"survey: num_items is {self.num_items}, items_per_form {self.items_per_form} and num_controls "
                f"{self.num_controls}; at least 1, 1 and 0."
            )


@dataclass(frozen=True, kw_only=True)
class MethodEditsConfig:
    """A text-to-image method, or a diffusers pipeline, x test pictures x seeds -> edited pictures."""

    method: str
    """Name of the method (modeling/editors/settings.py), or of the pipeline's class."""
    settings: MethodConfig | PipelineConfig
    """Settings of the method, with its prompt policy."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """One edit of each test picture per seed; a method without noise makes one edit, which stands for all seeds."""
    limit: int | None = None
    """Edit only this many test pictures, from the first on; the others are listed as left out. None: all."""
    captions: dict[str, str] | None = None
    """Segment -> caption of its source picture, for the prompt policy caption_plus."""

    def __post_init__(self) -> None:
        _check_seeds("seeds", self.seeds)


@dataclass(frozen=True, kw_only=True)
class MadeElsewhereConfig:
    """Pictures that a system made which was not run here -> edits. Nothing to decide: what lies there counts."""

    made_elsewhere: Literal[True] = True
    """Tells such edits from our own: a pair that lacks one is left out of their row alone."""


@dataclass(frozen=True, kw_only=True)
class TimingConfig:
    """An editor -> seconds per picture at several batch sizes."""

    method: str
    """Name of the system (modeling/editors/load.py)."""
    settings: SamplingConfig | MethodConfig | PipelineConfig
    """Settings of the editing, as in the run's edits."""
    batch_sizes: tuple[int, ...] = (1, 2, 4, 8)
    """Batch sizes: numbers of pictures that are edited at once."""
    num_warm_up: int = 1
    """Calls before the clock starts."""
    num_calls: int = 3
    """Calls that are timed; their median counts."""

    def __post_init__(self) -> None:
        if not self.batch_sizes or min(*self.batch_sizes, self.num_calls) < 1 or self.num_warm_up < 0:
            raise ValueError(
                f"timing: batch sizes {self.batch_sizes} and num_calls {self.num_calls} must be at least 1, and "
                f"num_warm_up {self.num_warm_up} at least 0."
            )


@dataclass(frozen=True, kw_only=True)
class StaticScenesConfig:
    """Static edits that an editor could do before it was fine-tuned, asked of it again: `--measure forgetting`."""

    num_scenes: int = 120
    """Scenes of the drawn kitchen, where no triples are named."""
    seed: int = 0
    """Decides the drawn scenes and the noise of every edit."""
    triples: str | None = None
    """CSV of picture, instruction, expected (pictures relative to it), or a folder with triples.csv; None: the drawn
    kitchen's own scenes, read by its oracle."""
    features: Features = "fixed-random"
    """Network that tells whether an edit went towards the expected picture; for triples."""
    weights: str | None = None
    """File, folder or hub id of the network's weights."""
    least_psnr_db: float = 20.0
    """An edit has kept the rest when it has this PSNR to its input outside the expected change; for triples."""

    def __post_init__(self) -> None:
        if self.num_scenes < 2:
            raise ValueError(f"forgetting.num_scenes is {self.num_scenes}; at least 2, so that there is an interval.")


@dataclass(frozen=True, kw_only=True)
class ForgettingConfig:
    """An editor x static scenes -> which static edits it still carries out, and keeps the rest of the picture."""

    scenes: StaticScenesConfig
    """The static edits that are asked for."""
    sampling: SamplingConfig
    """Settings of the editing, as in the run's edits."""


@dataclass(frozen=True, kw_only=True)
class TextEditorsConfig:
    """The methods that edit with a text-to-image model, for `--editors`."""

    start: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    """Folder or hub id of the text-to-image model."""
    limit: int | None = None
    """Test pictures that each method edits; None: all. Imagic tunes the model for every one."""
    captions: str | None = None
    """JSON file {segment_id: caption} for the prompt policy caption_plus."""
    imagic: ImagicConfig = field(default_factory=ImagicConfig)
    plug_and_play: PlugAndPlayConfig = field(default_factory=PlugAndPlayConfig)
    ddpm_noise_space: NoiseSpaceConfig = field(default_factory=NoiseSpaceConfig)
    masactrl: MasaCtrlConfig = field(default_factory=MasaCtrlConfig)
    prox_masactrl: ProxMasaCtrlConfig = field(default_factory=ProxMasaCtrlConfig)


@dataclass(frozen=True, kw_only=True)
class PipelineEditorConfig:
    """Any diffusers pipeline that edits a picture by an instruction, as an editor of `--editors`."""

    class_name: str
    """Name of its class in diffusers, such as FluxKontextPipeline; written as `class` in settings."""
    start: str
    """Folder or hub id of its weights (safetensors)."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """Further arguments of its call, such as {"guidance_scale": 2.5, "num_inference_steps": 28}."""
    precision: EditPrecision = "fp32"
    """Number type of its weights."""
    size_px: int | None = None
    """Side of the pictures that it is given; None: that of the run's other edits."""

    def __post_init__(self) -> None:
        check_class_name(self.class_name)
        PipelineConfig(options=self.arguments)  # ValueError for arguments that the run gives itself


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """The main job: every stage's config and the start, as a preset gives it."""

    preset: str
    """Name of the preset; labels the artifacts."""
    kitchen: KitchenConfig | None
    """The drawn world to act out, or None when videos and annotations come from outside."""
    start: str
    """Folder or hub id of the InstructPix2Pix pipeline that training starts from."""
    untouched_start: bool = True
    """Whether the untouched start is edited with and scored too, as a baseline. A text-to-image start cannot be one."""
    segments: SegmentsConfig
    videos: VideosConfig = field(default_factory=VideosConfig)
    frames: FramesConfig
    splits: SplitsConfig
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    shards: ShardsConfig
    classifier: ClassifierConfig
    editor: TrainConfig
    edits: EditsConfig
    told_apart: ToldApartConfig = field(default_factory=ToldApartConfig)
    forgetting: StaticScenesConfig = field(default_factory=StaticScenesConfig)
    text_editors: TextEditorsConfig = field(default_factory=TextEditorsConfig)
    editors: dict[str, PipelineEditorConfig] = field(default_factory=dict)
    """Diffusers pipelines by the names under which `--editors` has them."""
    scores: ScoresConfig
    report: ReportConfig


SPARE_BYTES = 1 << 30
"""Disk space that always stays free, whatever comes from a server or a store."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How often and how long a request to a server is tried again."""

    retries: int = 6
    """Retries in a row without progress; any byte received resets the count."""
    first_wait_s: float = 1.0
    """The wait before attempt n is drawn from [0, first_wait_s * 2 ** n]."""
    longest_wait_s: float = 60.0
    """The longest wait before an attempt, even when the server asks for more."""
    stall_s: float = 30.0
    """A connection that receives nothing for this many seconds is closed."""


@dataclass(frozen=True, kw_only=True)
class RunOptions:
    """The choices of place and speed; never part of a key."""

    workers: int = 0
    """Processes for decoding and drawing; 0 means one per core."""
    device: str = "auto"
    """Torch device; auto takes a GPU when there is one."""
    fetch: Fetch = "local"
    """Source of the videos. local: a folder. download: missing videos are fetched into the folder. ranges: frames are
    read from the server's files without fetching them whole.
    """
    mirror: str | None = None
    """Address that replaces the official sites."""
    connections: int = 4
    """Number of files that are fetched at the same time."""
    patience: Patience = field(default_factory=Patience)
    """How often and how long a request to a server is tried again."""
    processes: int = 1
    """Processes of this machine that train an editor together, one per GPU; the result is the same except for rounding.
    """
    validate_every: int = 0
    """Training steps between looks at fixed examples (losses and a grid of edits beside the editor); 0: never."""
    micro_batch: int = 0
    """Training examples in one forward pass; gradients add up to the batch. 0: all, halved where they do not fit."""
    gradient_checkpointing: bool = False
    """Compute most activations of training a second time instead of keeping them."""
    compile: bool = False
    """torch.compile the U-Net for training."""
    ema_on: EmaPlace = "device"
    """Place of the averaged weights in training: cpu is main memory; the numbers are the same."""
    cache: CacheMode = "auto"
    """Whether training computes all latents once and keeps them; auto: when they fit into memory."""
    retry_failed: bool = False
    """Try every failed item again, not only those whose failure may disappear by itself."""
    refresh: tuple[str, ...] = ()
    """Stages that are built again although they are finished."""
    item_limit_s: float = 7_200.0
    """Wall-clock seconds that one item (a video, say) may take in a worker process; then it fails as `timed_out`."""
    items_on: str = "processes"
    """Where items (videos, edits, scores) are worked on: processes of this machine; dask, a local cluster; or the
    address of a Dask scheduler, such as tcp://host:8786."""
    store: str | None = None
    """Address of a store that machines share (s3://bucket/path, file:///folder): finished artifacts go there by key
    and come from there; None: nothing is shared."""

    def __post_init__(self) -> None:
        if self.item_limit_s <= 0:
            raise ValueError(f"item_limit_s is {self.item_limit_s}; it must be above 0.")
        if self.processes < 1 or self.validate_every < 0 or self.micro_batch < 0:
            raise ValueError(
                f"processes is {self.processes}, validate_every {self.validate_every} and micro_batch "
                f"{self.micro_batch}; at least 1, 0 and 0."
            )
