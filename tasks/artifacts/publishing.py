"""A finished artifact <-> `STORE/stage/key/`: its files, a list of them, and last of all its manifest.

    stage/KEY/LIST16/files/NAME     the files that the artifact's own list has, that list, and the items' done-records
    stage/KEY/LIST16/list.jsonl     each of them with size and SHA-256; LIST16 begins the SHA-256 of this list
    stage/KEY/manifest.json         the artifact's manifest and the SHA-256 of the list: written last, once

Without a manifest nothing counts as published, so an interrupted upload is never used. The reader compares the manifest
with its request, and every byte with the list. Logs and checkpoints, which are no content, are not published.
"""

import hashlib
import hmac
import json
import os
import shutil
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from modeling.atomic import sync_files, write_json
from modeling.json_text import parse_json
from tasks.artifacts.artifact import BUILDING, FILES, ITEMS, MANIFEST, Artifact, digest_of
from tasks.artifacts.file_list import FileEntry, describe_files, is_altered, names_below, read_entries, read_file_list
from tasks.artifacts.inside import remove_foreign, remove_inside
from tasks.artifacts.manifest import MAX_BYTES, what_is_wrong
from tasks.artifacts.storage import Storage, StorageError
from tasks.config import SPARE_BYTES

LIST = "list.jsonl"
PUBLISHED, SIGNATURE = "published", "signature"
"""Fields that a manifest has in a store, and nowhere else."""
KEY_VARIABLE = "EDITACTION_STORE_KEY"
"""Environment variable with a secret of all machines: manifests are then signed, and others are refused."""
MAX_LIST_BYTES = 1 << 30
AT_ONCE = 8
"""Number of files that are sent or fetched at the same time."""

Progress = Callable[[int, int], None]


def publish(storage: Storage, artifact: Artifact) -> bool:
    """Write a finished artifact to the store unless its key is there; tell whether it was written now.

    StorageError when it failed; the next attempt uses the files that were already sent.
    """
    manifest = artifact.manifest
    place = f"{manifest['stage']}/{manifest['key']}"
    if storage.read(f"{place}/{MANIFEST}", at_most=MAX_BYTES) is not None:
        return False
    entries = _entries_of(artifact)
    listing = "".join(json.dumps(entry._asdict(), ensure_ascii=False) + "\n" for entry in entries).encode()
    sha256 = hashlib.sha256(listing).hexdigest()
    folder = f"{place}/{sha256[:16]}"
    there = storage.sizes(f"{folder}/files")

    def send(entry: FileEntry) -> None:
        if is_altered(artifact.path, entry, full=True):
            raise StorageError(f"{artifact.path / entry.name} is not as listed, so the artifact is not published.")
        if there.get(entry.name) != entry.size:
            storage.upload(artifact.path / entry.name, f"{folder}/files/{entry.name}")

    _each(send, entries)
    storage.create(f"{folder}/{LIST}", listing)
    if Artifact.read(artifact.path).manifest != manifest:
        raise StorageError(f"{artifact.path} was built anew meanwhile; the next run publishes it.")
    content = manifest | {PUBLISHED: {"list": sha256, "bytes": len(listing)}}
    if secret := os.environ.get(KEY_VARIABLE):
        content |= {SIGNATURE: _signature(content, secret)}
    return storage.create(f"{place}/{MANIFEST}", json.dumps(content, ensure_ascii=False).encode())


def _entries_of(artifact: Artifact) -> list[FileEntry]:
    """Return what is published of an artifact: its content, the list of it, and the done-records of its items."""
    items = names_below(artifact.path / ITEMS, leave_out=lambda name: not name.endswith(".json"))
    more = [FILES, *(f"{ITEMS}/{name}" for name in items)]
    return [*artifact.files(), *describe_files(artifact.path, more)]


def published(storage: Storage, stage: str, key: str, asked: dict[str, Any]) -> dict[str, Any] | None:
    """Return the requested manifest from the store; None when there is none.

    `asked`: required fields of the manifest (version, config, digests of the inputs). StorageError for an invalid
    manifest, one of another artifact, or one without a signature when this machine has the secret.
    """
    name = f"{stage}/{key}/{MANIFEST}"
    content = storage.read(name, at_most=MAX_BYTES)
    if content is None:
        return None
    try:
        manifest = parse_json(content)
        wrong = what_is_wrong(manifest)
    except ValueError as error:
        wrong = str(error)
    if not wrong:
        wanted = asked | {"stage": stage, "key": key, "inputs": _digests(asked["inputs"])}
        told = {field: manifest.get(field) for field in wanted} | {"inputs": _digests(manifest["inputs"])}
        if told != wanted:
            wrong = "it is of something else"
        secret = os.environ.get(KEY_VARIABLE)
        if secret and not hmac.compare_digest(
            str(manifest.get(SIGNATURE)).encode(), _signature(manifest, secret).encode()
        ):
            wrong = f"it is not signed with the secret of ${KEY_VARIABLE}"
    if wrong:
        raise StorageError(f"{storage.shown}/{name} is refused ({wrong}). Remove it there, so that it is built anew.")
    return dict(manifest)


def _digests(inputs: dict[str, Any]) -> dict[str, str]:
    return {name: input_["digest"] for name, input_ in inputs.items()}


def _signature(manifest: dict[str, Any], secret: str) -> str:
    content = digest_of({name: value for name, value in manifest.items() if name != SIGNATURE})
    return hmac.new(secret.encode(), content.encode(), hashlib.sha256).hexdigest()


def fetch(storage: Storage, manifest: dict[str, Any], folder: Path, told: dict[str, Any], progress: Progress) -> None:
    """Fill `folder` with a published artifact, its manifest last. StorageError where anything is not as it says.

    `told`: fields that the manifest gets here (label, places of the inputs). What a fetch that was cut off has left in
    the folder is used.
    """
    place = f"{manifest['stage']}/{manifest['key']}"
    folder.mkdir(parents=True, exist_ok=True)
    remove_foreign(folder)
    write_json(folder / BUILDING, {name: manifest[name] for name in ("key", "stage")} | {"label": told["label"]})
    where, entries = _read_list(storage, place, manifest.get(PUBLISHED))
    num_bytes = sum(entry.size for entry in entries)
    if num_bytes + SPARE_BYTES > shutil.disk_usage(folder).free:
        raise StorageError(f"{storage.shown}/{place}: {folder} has no room for {num_bytes} bytes.")
    wanted = {entry.name for entry in entries} | {BUILDING}
    for name in names_below(folder, leave_out=lambda name: name in wanted):
        remove_inside(folder, name)

    def take(entry: FileEntry) -> None:
        try:
            storage.download(f"{where}/files/{entry.name}", folder, entry)
        except (ValueError, OverflowError, FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise StorageError(f"{storage.shown}/{where}: {entry.name} is refused ({error}).") from error

    _each(take, entries, progress)
    _check_content(storage, place, manifest, folder, entries)
    sync_files(folder, [entry.name for entry in entries])
    kept = {name: value for name, value in manifest.items() if name not in (PUBLISHED, SIGNATURE)}
    write_json(folder / MANIFEST, kept | told)


def _read_list(storage: Storage, place: str, told: Any) -> tuple[str, list[FileEntry]]:
    """Return the place of the files, and their list."""
    refused = StorageError(f"{storage.shown}/{place}: its list of files is not what the manifest says, and is refused.")
    sha256, size = (told.get("list"), told.get("bytes")) if isinstance(told, dict) else (None, None)
    if not isinstance(sha256, str) or not isinstance(size, int) or not 0 <= size <= MAX_LIST_BYTES:
        raise refused
    where = f"{place}/{sha256[:16]}"
    listing = storage.read(f"{where}/{LIST}", at_most=size)
    if listing is None or hashlib.sha256(listing).hexdigest() != sha256:
        raise refused
    try:
        entries = list(read_entries(listing.decode().split("\n")[:-1], LIST))
    except ValueError as error:
        raise refused from error
    if not all(_is_entry(entry) for entry in entries) or len({entry.name for entry in entries}) < len(entries):
        raise refused
    return where, entries


def _is_entry(entry: FileEntry) -> bool:
    numbers = all(type(number) is int and 0 <= number < 2**62 for number in (entry.size, entry.mtime_ns))
    return numbers and isinstance(entry.sha256, str) and entry.name not in (MANIFEST, BUILDING)


def _check_content(
    storage: Storage, place: str, manifest: dict[str, Any], folder: Path, entries: Iterable[FileEntry]
) -> None:
    """Compare the fetched files with the digest in the manifest: all content exists, and nothing else except
    done-records.
    """
    came = {entry.name: entry.sha256 for entry in entries}
    try:
        content = {entry.name: entry.sha256 for entry in read_file_list(folder)}
    except (FileNotFoundError, ValueError) as error:
        raise StorageError(f"{storage.shown}/{place} is refused ({error}).") from error
    others = {name for name in came if name not in content and not name.startswith(f"{ITEMS}/")}
    is_whole = all(came.get(name) == sha256 for name, sha256 in content.items())
    if not is_whole or others != {FILES} or digest_of(content) != manifest["digest"]:
        raise StorageError(f"{storage.shown}/{place} is refused: its files are not those of its digest.")


def _each(do: Callable[[FileEntry], None], entries: list[FileEntry], progress: Progress = lambda *_: None) -> None:
    """Call `do` for several entries at a time; the first error ends the work."""
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        for done, _ in enumerate(pool.map(do, entries), start=1):
            progress(done, len(entries))
    finally:
        pool.shutdown(cancel_futures=True)
