"""A finished artifact is rebuilt in a folder beside it and then swapped in, so readers find it at every moment."""

import ctypes
import errno
import json
import os
import secrets
import shutil
import time
from pathlib import Path

from modeling.atomic import sync_folder
from tasks.artifacts.artifact import FILES, ITEMS, MANIFEST, Artifact
from tasks.artifacts.file_list import names_below

GRACE_S = 0.2
"""Seconds before a replaced folder is removed: a reader may have found it and not yet opened its files."""
REMOVING = ".removing"
"""Ending of a replaced folder that waits for its removal."""
LINKED_FROM_BYTES = 64 * 1024**2
"""Files of no item are copied, because stages may write into them; files of at least this size are linked."""

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2


def link_or_copy(source: Path | str, target: Path | str) -> None:
    """Make `target` a hard link to `source`; a copy with the same time where there cannot be one."""
    try:
        os.link(source, target, follow_symlinks=False)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES):
            raise
        shutil.copy2(source, target, follow_symlinks=False)


def lay_beside(existing: Artifact, damaged: list[str], partial: Path) -> None:
    """Fill the folder `partial` with the good files of a finished artifact, so that work goes on from there.

    The artifact itself does not change. Files that an interrupted run left in `partial` are kept instead.
    """
    of_items = _files_of_items(existing.path)
    leave = {MANIFEST, FILES, *damaged}
    for name in names_below(existing.path, leave_out=lambda name: name in leave):
        source, target = existing.path / name, partial / name
        if os.path.lexists(target) or source.is_symlink() or not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if name in of_items or source.stat().st_size >= LINKED_FROM_BYTES:
            link_or_copy(source, target)
        else:
            shutil.copy2(source, target)


def _files_of_items(folder: Path) -> set[str]:
    names: set[str] = set()
    for record in (folder / ITEMS).glob("*.json"):
        try:
            names.update(json.loads(record.read_text(encoding="utf-8"))["files"])
        except (ValueError, KeyError, TypeError):
            continue  # damaged: its item is done again
    return names


def swap_in(partial: Path, final: Path) -> None:
    """Rename the folder `partial` to `final`; the folder that had that name is removed afterwards."""
    if not final.exists():
        os.replace(partial, final)
    else:
        _exchange(partial, final)
        time.sleep(GRACE_S)
        remove_folder(partial)
    sync_folder(final.parent)


def remove_folder(folder: Path) -> None:
    """Remove a folder. It is renamed first, so an interrupted removal leaves nothing that looks like an artifact."""
    removing = folder.with_name(f".{secrets.token_hex(6)}{REMOVING}")
    os.rename(folder, removing)
    shutil.rmtree(removing)


def _exchange(one: Path, other: Path) -> None:
    """Exchange two folders in one step. Where the system cannot do that, in two steps; `other` is then missing for a
    moment.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "renameat2"):
        if libc.renameat2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE) == 0:
            return
        number = ctypes.get_errno()
        if number not in (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP):
            raise OSError(number, os.strerror(number), str(other))
    aside = one.with_name(f".{secrets.token_hex(6)}{REMOVING}")
    os.rename(other, aside)
    os.rename(one, other)
    os.rename(aside, one)
