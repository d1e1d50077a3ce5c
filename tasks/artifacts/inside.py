"""A recorded name -> a path inside its artifact's folder; every recorded name becomes a file path here.

Workspaces are passed on, so anybody may have written their records, lists of files and done-records. A name that leads
out of the folder (by `..`, by an absolute path, or by a link) is refused: nothing outside is read, written or removed.
"""

import os
import shutil
import stat
from pathlib import Path

MAX_NAME_BYTES = 4_096
MAX_PART_BYTES = 255


def checked_parts(name: object) -> list[str]:
    """Return the parts of a recorded name, such as ["images", "a", "0.png"]; ValueError unless all lead downwards."""
    if not isinstance(name, str) or not name:
        raise ValueError(f"{str(name)[:80]!r} is no name of a file.")
    parts = name.split("/")
    try:
        sizes = [len(part.encode()) for part in parts]
    except UnicodeEncodeError as error:
        raise ValueError(f"{ascii(name)[:80]} is no name of a file: it is not Unicode text.") from error
    if any(part in ("", ".", "..") for part in parts) or "\0" in name or "\\" in name:
        raise ValueError(f"{name[:80]!r} leads out of the folder that it is recorded in.")
    if max(sizes) > MAX_PART_BYTES or sum(sizes) > MAX_NAME_BYTES:
        raise ValueError(f"{name[:80]!r}... is too long for the name of a file.")
    return parts


def inside(folder: Path, name: object) -> Path:
    """Return the path of a recorded name inside `folder`; ValueError when it leads out, or over a link."""
    path = folder
    for part in checked_parts(name):
        path = path / part
        if path.is_symlink():
            raise ValueError(f"{path} is a link, which is not followed. Remove it.")
    return path


def status_inside(folder: Path, name: object) -> os.stat_result | None:
    """Return the status of the file with a recorded name; None without such a plain file inside `folder`.

    For lists of very many files: each part of the name is looked at once.
    """
    path, status = str(folder), None
    try:
        for part in checked_parts(name):
            path = f"{path}/{part}"
            status = os.lstat(path)
            if stat.S_ISLNK(status.st_mode):
                return None
    except (ValueError, OSError):
        return None
    return status if status is not None and stat.S_ISREG(status.st_mode) else None


def remove_inside(folder: Path, name: str) -> None:
    """Remove the file with a recorded name inside `folder`. A link on the way is removed itself, never its target."""
    path = folder
    for part in checked_parts(name):
        path = path / part
        if path.is_symlink():
            break
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def remove_foreign(folder: Path) -> None:
    """Remove everything below `folder` that we never make (links, pipes, devices), and what killed runs left."""
    for parent, folders, files in os.walk(folder):
        for name in [*folders, *files]:
            path = Path(parent, name)
            mode = os.lstat(path).st_mode
            if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                path.unlink()
            elif name.startswith(".") and name.endswith(".writing"):
                remove_inside(Path(parent), name)
        folders[:] = [name for name in folders if os.path.isdir(f"{parent}/{name}")]
