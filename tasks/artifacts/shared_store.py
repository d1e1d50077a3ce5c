"""A run with a store: artifacts of other machines are fetched instead of built, and built artifacts are published.

When a store does not answer, or gives wrong bytes, a line says so, the stage is built here, and the next run publishes
it.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tasks.artifacts.artifact import Artifact
from tasks.artifacts.manifest import MANIFEST, MAX_BYTES, not_ours
from tasks.artifacts.publishing import fetch, publish, published
from tasks.artifacts.storage import Storage, StorageError
from tasks.artifacts.swapping import remove_folder, swap_in
from tasks.config import RunOptions

Tell = Callable[[str], None]
FETCHING = "fetched-"
"""Beginning of the name of a folder that is being filled from the store."""
_opened: dict[str, Storage] = {}


def storage_of(options: RunOptions) -> Storage | None:
    """Return the store of a run, opened once in a process; None where it has none."""
    if options.store is None:
        return None
    if options.store not in _opened:
        _opened[options.store] = Storage(options.store)
    return _opened[options.store]


def in_store(stage: str, key: str, options: RunOptions) -> str | None:
    """Return the store's address when it has a stage of this key; None when it has not or does not answer."""
    storage = storage_of(options)
    if storage is None or stage in options.refresh:
        return None
    try:
        return storage.shown if storage.read(f"{stage}/{key}/{MANIFEST}", at_most=MAX_BYTES) is not None else None
    except StorageError:
        return None


def fetch_finished(
    final: Path, stage: str, key: str, asked: dict[str, Any], told: dict[str, Any], options: RunOptions, tell: Tell
) -> bool:
    """Fetch the artifact of this key into `final` when the store has it; return whether it was fetched. Call it under
    its lock.

    `asked`: what its manifest has to say of version and config; `told`: label and inputs, as they are called here.
    """
    storage = storage_of(options)
    if storage is None or stage in options.refresh:
        return False
    folder = final.with_name(f"{FETCHING}{final.name}.partial")
    if why := not_ours(folder):
        tell(why)
        return False
    try:
        manifest = published(storage, stage, key, asked | {"inputs": told["inputs"]})
        if manifest is None:
            return False
        tell(f"comes from {storage.shown}")
        fetch(storage, manifest, folder, told, lambda done, total: None)
    except StorageError as error:
        tell(f"{error} It is built here.")
        return False
    swap_in(folder, final)
    cut_off = final.with_name(final.name + ".partial")
    if cut_off.exists():
        remove_folder(cut_off)
    return True


def publish_finished(artifact: Artifact, options: RunOptions, tell: Tell) -> None:
    """Publish an artifact unless the store has it, or some of its failed rows may succeed next time."""
    storage = storage_of(options)
    if storage is None or artifact.num_transient:
        return
    try:
        if publish(storage, artifact):
            tell(f"published to {storage.shown}")
    except StorageError as error:
        tell(f"{error} It is not published; the next run tries again.")
