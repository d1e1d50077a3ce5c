"""What a person asks for -> a Job: preset, own settings, and where annotations, videos and results lie."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from flows.wiring.presets import preset, with_recorded, with_start
from flows.wiring.request import Request
from flows.wiring.settings import with_settings
from modeling.presets import EDITACTION, method_names, safe
from tasks.artifacts.artifact import Outside, digest_of, sha256_of
from tasks.config import Fetch, Reader, RunConfig
from tasks.fetching.sites import Site, annotation_urls, check_mirror
from tasks.stages import STAGES

DOWNLOADS = "downloads"
"""Folder of the workspace for what is fetched, unless another is named."""

UNTIL = tuple(
    name for name, stage in STAGES.items() if stage.in_main_job and name not in ("kitchen", "videos", "classifier")
)
"""Stages that a run can be asked to end with."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One main job."""

    config: RunConfig
    """Every stage's config."""
    workspace: Path
    """Folder of the artifacts."""
    annotations: Path | None = None
    """Annotation file; None when the kitchen writes one."""
    videos: Path | None = None
    """Folder of the videos; None when the kitchen makes them, or when no stage that reads them is asked for."""
    more_annotations: tuple[Path, ...] = ()
    """Further annotation files."""
    long_distance: Path | None = None
    """CSV of the long-distance test set; None when it is chosen automatically."""
    until: str = "report"
    """Last stage to run."""
    fetch: Fetch = "local"
    """Where videos come from."""
    mirror: str | None = None
    """Address that takes the place of the official sites."""
    methods: tuple[str, ...] = (EDITACTION,)
    """Objectives to train and evaluate beside each other, as named in modeling/presets.py."""

    def __post_init__(self) -> None:
        if not self.methods:
            raise ValueError("No method to train; leave --methods out for editaction.")
        if self.long_distance is not None and not self.long_distance.is_file():
            raise ValueError(f"There is no file {self.long_distance} with a long-distance test set.")
        if self.until not in UNTIL:
            raise ValueError(f"There is no stage {self.until!r} to end with; choose one of {', '.join(UNTIL)}.")
        for path in self.more_annotations:
            if not path.is_file():
                raise ValueError(f"There is no annotation file {path}.")
        if self.config.kitchen is not None:
            if self.annotations or self.videos or self.more_annotations:
                raise ValueError(
                    f"Preset {self.config.preset!r} draws its own videos; leave annotations and videos out."
                )
            if self.fetch != "local":
                raise ValueError(f"Preset {self.config.preset!r} draws its own videos; leave --fetch out.")
            return
        reader = self.config.segments.reader
        if self.annotations is None:
            raise ValueError(f"Preset {self.config.preset!r} needs the annotation file: --annotations FILE.")
        if not self.annotations.is_file() and not self.fetches_annotations:
            raise ValueError(f"There is no annotation file {self.annotations}.")
        if self.until == "segments":
            return
        if self.fetch != "local":
            self._check_fetching(reader)
            return
        if self.videos is None:
            raise ValueError(
                f"Preset {self.config.preset!r} needs the folder of the videos: --videos DIR, or --fetch download."
            )
        if not self.videos.is_dir():
            raise ValueError(f"There is no folder of videos {self.videos}.")

    def _check_fetching(self, reader: Reader) -> None:
        if self.mirror is not None:
            check_mirror(self.mirror)
        if self.fetch == "ranges" and self.videos is not None:
            raise ValueError("--fetch ranges reads videos from a server; leave --videos out, or use --fetch local.")
        if self.mirror is None and reader == "table":
            raise ValueError("There is no official site for videos of your own: name one with --mirror URL.")
        if self.mirror is None and reader == "mpii" and self.fetch == "ranges":
            raise ValueError(
                "MPII's videos come in one archive, of which no part can be read: use --fetch download, or name a "
                "server that has the single videos with --mirror URL."
            )

    @property
    def site(self) -> Site:
        """Where videos are fetched from."""
        return Site(reader=self.config.segments.reader, mirror=self.mirror)

    @property
    def fetches_annotations(self) -> bool:
        """Whether the annotations are the official ones, which are fetched when they are not there yet."""
        reader = self.config.segments.reader
        return self.annotations is not None and self.annotations == official_annotations(self.workspace, reader)


def official_annotations(workspace: Path, reader: Reader) -> Path | None:
    """Return where the official annotations are put, None where a dataset has none."""
    urls = annotation_urls(reader, None)
    return workspace / DOWNLOADS / "annotations" / urls[0].rsplit("/", 1)[1] if urls else None


def make_job(request: Request) -> Job:
    """Return the job that is asked for; ValueError says which part of the request cannot be."""
    config = preset(request.preset)
    if request.start is not None:
        config = with_start(config, request.start)
    if request.safe:
        config = replace(config, editor=safe(config.editor))
    workspace, reader = Path(request.workspace), config.segments.reader
    annotations = Path(request.annotations) if request.annotations else None
    videos = Path(request.videos) if request.videos else None
    if config.kitchen is None:
        annotations = annotations or official_annotations(workspace, reader)
        if request.fetch == "download":
            videos = videos or workspace / DOWNLOADS / config.preset
    if reader == "pairs" and annotations is not None:
        # Here and not above: it imports pyarrow, which takes a third of a second.
        from tasks.annotations.pair_list import read_header

        header = read_header(annotations)
        config = with_recorded(config, header.frames, header.shards)
    return Job(
        config=with_settings(config, request.settings),
        workspace=workspace,
        annotations=annotations,
        videos=videos,
        more_annotations=tuple(map(Path, request.more_annotations)),
        long_distance=Path(request.long_distance) if request.long_distance else None,
        until=request.until,
        fetch=request.fetch,
        mirror=request.mirror,
        methods=method_names(",".join(request.methods)),
    )


def outside_file(path: Path) -> Outside:
    """Return a file as a stage's input."""
    return Outside(location=str(path), digest=sha256_of(path))


def outside_start(start: str) -> Outside:
    """Return the start as a stage's input: a pipeline folder by its files' content, a hub id by its name."""
    folder = Path(start)
    if (folder / "model_index.json").is_file():
        digests = {
            path.relative_to(folder).as_posix(): sha256_of(path)
            for path in sorted(folder.rglob("*"))
            if path.suffix in (".safetensors", ".json", ".txt")
        }
        return Outside(location=start, digest=digest_of(digests))
    if folder.exists() or start.startswith((".", "/")) or start.count("/") != 1:
        raise ValueError(
            f"{start!r} is neither a pipeline folder (with model_index.json) nor a hub id such as owner/name."
        )
    return Outside(location=start, digest=digest_of({"hub": start}))


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """Parse `key=value` texts, values as JSON where they are JSON: ["editor.num_steps=100"] -> {..: 100}."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals or not name:
            raise ValueError(f"{pair!r} is not KEY=VALUE, such as editor.num_steps=100.")
        try:
            settings[name] = json.loads(text)
        except json.JSONDecodeError:
            settings[name] = text
    return settings
