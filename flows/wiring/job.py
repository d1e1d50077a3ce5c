"""A request -> a Job: the recipe with its settings, and the paths of annotations, videos and results."""

import re
from dataclasses import dataclass, replace
from pathlib import Path

from flows.wiring.form import MEASURED_AFTER as MEASURED_AFTER
from flows.wiring.form import STAGE_ORDER as STAGE_ORDER
from flows.wiring.form import UNTIL as UNTIL
from flows.wiring.items_on import check_items_on
from flows.wiring.presets import preset, with_recorded, with_start
from flows.wiring.request import Request
from flows.wiring.settings import with_settings
from modeling.editors.settings import METHOD_CONFIGS
from modeling.presets import method_names, safe
from tasks.artifacts.addresses import full_address
from tasks.artifacts.storage import check_store_address
from tasks.config import Reader, RunConfig
from tasks.fetching.sites import MIRROR_VARIABLE, Site, annotation_urls, check_mirror

DOWNLOADS = "downloads"
"""Folder of the workspace into which files are fetched, unless the request names another."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One main job: the request, the resulting recipe, and the paths of outside files."""

    request: Request
    """The request that this job answers."""
    config: RunConfig
    """Every stage's config."""
    annotations: Path | None = None
    """Annotation file; None when the kitchen writes one."""
    videos: Path | None = None
    """Folder of the videos; None when the kitchen makes them, or when no requested stage reads them."""

    @property
    def workspace(self) -> Path:
        """Folder of the artifacts."""
        return Path(self.request.workspace)

    @property
    def methods(self) -> tuple[str, ...]:
        """Objectives to train and to compare, as modeling/presets.py names them."""
        return method_names(",".join(self.request.methods))

    @property
    def editors(self) -> tuple[str, ...]:
        """Text-to-image methods and diffusers pipelines to evaluate beside the trained editors."""
        names = [name for editor in self.request.editors for name in (METHOD_CONFIGS if editor == "all" else (editor,))]
        return tuple(dict.fromkeys(names))

    @property
    def training_seeds(self) -> tuple[int, ...]:
        """Training seeds of each method."""
        return self.request.training_seeds or (self.config.editor.seed,)

    @property
    def site(self) -> Site:
        """The site of the videos."""
        return Site(reader=self.config.segments.reader, mirror=full_address(self.request.mirror, MIRROR_VARIABLE))

    @property
    def fetches_annotations(self) -> bool:
        """Whether the annotations are the official ones. A run fetches these when they are missing."""
        reader = self.config.segments.reader
        return self.annotations is not None and self.annotations == official_annotations(self.workspace, reader)


def official_annotations(workspace: Path, reader: Reader) -> Path | None:
    """Return the path for the official annotations; None where a dataset has none."""
    urls = annotation_urls(reader, None)
    return workspace / DOWNLOADS / "annotations" / urls[0].rsplit("/", 1)[1] if urls else None


def make_job(request: Request) -> Job:
    """Return the job of a request; ValueError names the part of the request that is impossible."""
    config = preset(request.preset)
    if request.start is not None:
        config = with_start(config, request.start)
    if request.safe:
        config = replace(config, editor=safe(config.editor))
    workspace, reader = Path(request.workspace), config.segments.reader
    annotations = Path(request.annotations) if request.annotations else None
    videos = Path(request.videos) if request.videos else None
    if reader == "lerobot" and annotations is not None and annotations.is_dir():
        # A LeRobot data set is one folder: its annotations and its videos.
        annotations, videos = annotations / "meta" / "info.json", videos or annotations
    if config.kitchen is None:
        annotations = annotations or official_annotations(workspace, reader)
        if request.fetch == "download":
            videos = videos or workspace / DOWNLOADS / config.preset
    if reader == "pairs" and annotations is not None:
        # Imported here: it imports pyarrow, which takes a third of a second.
        from tasks.annotations.pair_list import read_header

        header = read_header(annotations)
        config = with_recorded(config, header.frames, header.shards)
    job = Job(
        request=request,
        config=with_settings(config, request.settings),
        annotations=annotations,
        videos=videos,
    )
    check_job(job)
    return job


def check_job(job: Job) -> None:
    """Raise ValueError for an impossible job, before any work; the message names the option."""
    request = job.request
    if request.long_distance is not None and not Path(request.long_distance).is_file():
        raise ValueError(f"There is no file {request.long_distance} with a long-distance test set.")
    if request.until not in UNTIL:
        raise ValueError(f"There is no stage {request.until!r} to end with; choose one of {', '.join(UNTIL)}.")
    if request.store is not None:
        check_store_address(request.store)
    check_items_on(request.items_on)
    _check_editors(job)
    for path in request.more_annotations:
        if not Path(path).is_file():
            raise ValueError(f"There is no annotation file {path}.")
    if job.config.kitchen is not None:
        if request.annotations or request.videos or request.more_annotations:
            raise ValueError(f"Preset {job.config.preset!r} draws its own videos; leave annotations and videos out.")
        if request.fetch != "local":
            raise ValueError(f"Preset {job.config.preset!r} draws its own videos; leave --fetch out.")
        return
    _check_sources(job)


def _check_editors(job: Job) -> None:
    """Check methods, seeds and measurements."""
    request = job.request
    if not request.methods:
        raise ValueError("No method to train; leave --methods out for editaction.")
    method_names(",".join(request.methods))  # ValueError for an unknown method
    own = job.config.editors
    taken = {"start", "truth", "truth_vae", "copy", "all", *METHOD_CONFIGS, *job.methods}
    if clash := sorted(taken & own.keys()):
        raise ValueError(f"editors.{clash[0]}: the name {clash[0]!r} is taken; choose another.")
    for name, place in request.edits.items():
        if re.fullmatch(r"[A-Za-z0-9_-]{1,40}", name) is None or name in taken | own.keys():
            raise ValueError(f"--edits: the name {name!r} is taken, or is not of letters, digits, - and _.")
        if not Path(place).exists():
            raise ValueError(f"--edits {name}: there is no folder or CSV {place} with edited pictures.")
    for name in request.editors:
        if name not in ("all", *METHOD_CONFIGS, *own):
            raise ValueError(
                f"--editors: there is no {name!r}; choose of {', '.join(('all', *METHOD_CONFIGS, *own))}, or set "
                f'editors.{name}={{"class": ..., "start": ...}} for a diffusers pipeline.'
            )
    for name in set(job.editors) & METHOD_CONFIGS.keys():
        settings = getattr(job.config.text_editors, name)
        if settings.prompt_policy == "caption_plus" and not job.config.text_editors.captions:
            raise ValueError(
                f"text_editors.{name}.prompt_policy is caption_plus, which wants text_editors.captions=FILE.json."
            )
    if len(set(request.training_seeds)) < len(request.training_seeds):
        raise ValueError(f"--training-seeds {','.join(map(str, request.training_seeds))}: give each seed once.")
    for name in request.measure:
        if name not in MEASURED_AFTER:
            raise ValueError(f"There is no measurement {name!r}; choose of {', '.join(MEASURED_AFTER)}.")
        if STAGE_ORDER.index(request.until) < STAGE_ORDER.index(MEASURED_AFTER[name]):
            raise ValueError(
                f"--measure {name} reads what the stage {MEASURED_AFTER[name]} makes, and the run ends with "
                f"{request.until}: use --until {MEASURED_AFTER[name]} or a later stage."
            )
    if job.config.kitchen is None and "verdicts" in request.measure:
        raise ValueError("--measure verdicts: only the drawn kitchen has an oracle. Leave it out, or take a demo.")
    if job.config.kitchen is None and "forgetting" in request.measure and job.config.forgetting.triples is None:
        raise ValueError("--measure forgetting asks static edits: name them with --set forgetting.triples=FILE.csv.")


def _check_sources(job: Job) -> None:
    """Check that annotations and videos exist, or can be fetched."""
    request, reader, preset_name = job.request, job.config.segments.reader, job.config.preset
    if job.annotations is None:
        raise ValueError(f"Preset {preset_name!r} needs the annotation file: --annotations FILE.")
    if not job.annotations.is_file() and not job.fetches_annotations:
        raise ValueError(f"There is no annotation file {job.annotations}.")
    if request.until == "segments":
        return
    if request.fetch != "local":
        _check_fetching(request, reader)
        return
    if job.videos is None:
        raise ValueError(f"Preset {preset_name!r} needs the folder of the videos: --videos DIR, or --fetch download.")
    if not job.videos.is_dir():
        raise ValueError(f"There is no folder of videos {job.videos}.")


def _check_fetching(request: Request, reader: Reader) -> None:
    if request.mirror is not None:
        check_mirror(request.mirror)
    if request.fetch == "ranges" and request.videos is not None:
        raise ValueError("--fetch ranges reads videos from a server; leave --videos out, or use --fetch local.")
    if reader == "lerobot":
        raise ValueError("A LeRobot data set is read from a folder: download it whole, and leave --fetch out.")
    if request.mirror is None and reader == "table":
        raise ValueError("There is no official site for videos of your own: name one with --mirror URL.")
    if request.mirror is None and reader == "mpii" and request.fetch == "ranges":
        raise ValueError(
            "MPII's videos come in one archive, of which no part can be read: use --fetch download, or name a "
            "server that has the single videos with --mirror URL."
        )
