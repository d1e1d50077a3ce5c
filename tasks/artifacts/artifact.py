"""An artifact is a folder with a manifest, written last: config + inputs -> `workspace/stage/label-key8/`.

The key is a hash of the digests of the inputs' content, the stage's config and its version, so equal work is found
again in any place. A stage works in `label-key8.partial`. Each item (a video, a batch) leaves its own done-record
there, so an interrupted stage, or one with failed items, does only the missing items (architecture.md).
"""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from modeling.atomic import atomic_file
from modeling.json_text import parse_json
from tasks.artifacts.file_list import FILES, FileEntry, is_altered, read_file_list
from tasks.artifacts.file_list import sha256_of as sha256_of
from tasks.artifacts.inside import inside
from tasks.artifacts.manifest import MANIFEST as MANIFEST
from tasks.artifacts.manifest import read_manifest
from tasks.stages import STAGES

RECORDS = "records.jsonl"
REJECTED = "rejected.jsonl"
BUILDING = "building.json"
"""File in a `.partial` folder that names the artifact being built."""
ITEMS = "items"
"""Folder of the items' done-records inside an artifact; not part of its content digest."""

_LINES_AT_ONCE = 1_000

Record = dict[str, Any]
Progress = Callable[[int, int], None]
"""Called as (done, total)."""
NotedProgress = Callable[[int, int, str], None]
"""Called as (done, total, note)."""


def digest_of(value: Any) -> str:
    """Return the hex SHA-256 of a JSON-like value (dataclasses included), independent of key order."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def read_records(path: Path) -> Iterator[Record]:
    """Yield the records of a JSON-lines file; ValueError, which names the file, for a line that is no record."""
    with path.open(encoding="utf-8") as file:
        # Many lines as one array: its records share the names of their fields, which halves what a list of them takes.
        while lines := list(islice(file, _LINES_AT_ONCE)):
            try:
                records = parse_json(f"[{','.join(lines)}]")
            except ValueError as error:
                raise ValueError(f"{path}: not the records of an artifact ({error}). Remove its folder.") from error
            if not all(isinstance(record, dict) for record in records):
                raise ValueError(f"{path}: a line is no record. Remove the folder; a run makes it again.")
            yield from records


def write_records(path: Path, records: Iterable[Record]) -> None:
    """Write records as JSON lines, atomically, in the given order."""
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


@dataclass(frozen=True, kw_only=True)
class Outside:
    """Something a stage reads that no stage made: an annotation file, a folder of videos, a start on a hub."""

    location: str
    """Path or hub id. Not part of any key."""
    digest: str
    """Digest of its content; part of the key."""

    @property
    def path(self) -> Path:
        """The location as a path."""
        return Path(self.location)


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A finished artifact: its folder and what its manifest says."""

    path: Path
    manifest: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Artifact":
        """Read the artifact at `path`; FileNotFoundError when it has no manifest, ValueError when the manifest is
        invalid.
        """
        return cls(path=path, manifest=read_manifest(path / MANIFEST))

    @property
    def digest(self) -> str:
        """Digest of the content: of names and SHA-256 of all files that a later stage may read."""
        return str(self.manifest["digest"])

    @property
    def num_failed(self) -> int:
        """Number of failed rows."""
        return sum(self.manifest["counts"]["failed"].values())

    @property
    def num_transient(self) -> int:
        """Number of failed rows that may succeed next time: a server did not answer, memory was short."""
        return int(self.manifest.get("num_transient", 0))

    def file(self, name: object) -> Path:
        """Return the path of a name in a record; ValueError when it leads out of the artifact."""
        return inside(self.path, name)

    def files(self) -> Iterator[FileEntry]:
        """Yield the list of its files, with their digests."""
        return read_file_list(self.path)

    def records(self) -> Iterator[Record]:
        """Yield the records of the kept rows."""
        return read_records(self.path / RECORDS)

    def rejected(self) -> Iterator[Record]:
        """Yield the filtered and failed rows, each with `status` and `reason`."""
        return read_records(self.path / REJECTED)


Input = Artifact | Outside


def damaged_files(artifact: Artifact, *, full: bool = False) -> list[str]:
    """Return the files of an artifact that are missing or altered.

    Sizes are always compared. Digests are compared for files with another modification time than the recorded one, or
    for all files (`full`). A missing or incomplete list of files is damage too.
    """
    damaged, content, num_files = [], {}, 0
    try:
        for entry in artifact.files():
            num_files += 1
            if is_altered(artifact.path, entry, full=full):
                damaged.append(entry.name)
            if full:
                content[entry.name] = entry.sha256
    except (FileNotFoundError, ValueError):
        return [FILES]
    if num_files != artifact.manifest.get("num_files") or (full and digest_of(content) != artifact.digest):
        return [FILES, *damaged]
    return damaged


def stage_key(stage: str, config: Any, inputs: Mapping[str, Input]) -> str:
    """Return the hex key of a stage's result: version, config and input digests; no paths, no times."""
    parts = {
        "stage": stage,
        "version": STAGES[stage].version,
        "config": dataclasses.asdict(config),
        "inputs": {name: input_.digest for name, input_ in sorted(inputs.items())},
    }
    return digest_of(parts)


def artifact_folder(workspace: Path, stage: str, label: str, key: str) -> Path:
    """Return the folder `workspace/stage/label-key8`."""
    return workspace / stage / f"{label}-{key[:8]}"


def find_artifact(workspace: Path, stage: str, key: str) -> Artifact | None:
    """Return the finished artifact of this key under any label, whole or damaged, or None."""
    for folder in _folders(workspace / stage, f"*-{key[:8]}"):
        if (folder / MANIFEST).is_file():
            artifact = Artifact.read(folder)
            if artifact.manifest["key"] == key:
                return artifact
    return None


def artifacts_of(workspace: Path, stage: str) -> list[Artifact]:
    """Return a stage's finished artifacts, oldest first by their finishing time."""
    there = _folders(workspace / stage, "*")
    folders = [path for path in there if path.suffix != ".partial" and (path / MANIFEST).is_file()]
    return sorted(map(Artifact.read, folders), key=lambda artifact: artifact.manifest["finished_at"])


def newest_artifact(workspace: Path, stage: str) -> Artifact:
    """Return a stage's newest finished artifact; ValueError when there is none."""
    artifacts = artifacts_of(workspace, stage)
    if not artifacts:
        raise ValueError(f"{workspace} has no finished {stage} yet; `editaction status` shows what it has.")
    return artifacts[-1]


def opened(places: Mapping[str, "Path | Outside"]) -> dict[str, Input]:
    """Open the inputs of a stage: read the folders of artifacts, and keep outside inputs as they are."""
    return {name: place if isinstance(place, Outside) else Artifact.read(place) for name, place in places.items()}


def _folders(stage_folder: Path, pattern: str) -> list[Path]:
    """Return the folders of a stage without links: a rebuild or a removal must stay inside the workspace."""
    if stage_folder.is_symlink():
        return []
    return sorted(path for path in stage_folder.glob(pattern) if not path.is_symlink())


def made_from(artifacts: Iterable[Artifact], name: str, source: Artifact) -> list[Artifact]:
    """Return the artifacts whose input `name` has the content of `source`, in their order."""
    return [
        artifact for artifact in artifacts if artifact.manifest["inputs"].get(name, {}).get("digest") == source.digest
    ]


def editor_location(editor: Input) -> str:
    """Return the pipeline folder of an editor artifact, or the folder or hub id of an editor from outside."""
    return str(editor.path / "pipeline") if isinstance(editor, Artifact) else editor.location
