"""Private folders of the user, outside every workspace: all files that programs read as configuration are here.

Workspaces are passed on, so every file in them is data. Prefect's home, its settings and the folder
that child processes work in are therefore the user's own: `$XDG_STATE_HOME/editaction` or `~/.local/state/editaction`.
"""

import os
import stat
import tempfile
from pathlib import Path

PRIVATE = 0o700
"""Only the user may read it: Prefect's database shows all runs and their files."""


def own_folder(*names: str) -> Path:
    """Return the folder of these names below the user's state folder; make it with mode 700 when it does not exist.

    ValueError when one of them is a link or belongs to another user: then we did not make it.
    """
    folder = _state_folder()
    for name in names:
        folder = folder / name
        folder.mkdir(mode=PRIVATE, exist_ok=True)
        _check(folder)
    return folder


def empty_folder() -> Path:
    """Return the working folder of child processes. It stays empty, so no process can read a file from it."""
    folder = own_folder("empty")
    for name in os.listdir(folder):
        raise ValueError(f"{folder / name}: this folder has to be empty, as programs work in it. Remove what is there.")
    return folder


def _state_folder() -> Path:
    """Return the user's state folder of this project, or one below the temporary folder when there is no HOME."""
    named = os.environ.get("XDG_STATE_HOME", "")
    home = Path(named) if os.path.isabs(named) else Path(os.path.expanduser("~")) / ".local" / "state"
    folder = home / "editaction"
    try:
        folder.mkdir(mode=PRIVATE, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"editaction-{os.geteuid()}"
        folder.mkdir(mode=PRIVATE, exist_ok=True)
    _check(folder)
    return folder


def _check(folder: Path) -> None:
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise ValueError(f"{folder} is a link or somebody else's. Remove it, or name another folder: XDG_STATE_HOME.")
    if stat.S_IMODE(status.st_mode) & 0o077:
        os.chmod(folder, PRIVATE)
