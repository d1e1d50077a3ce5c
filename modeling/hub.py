"""Tell ids of the Hugging Face hub from paths on the disk."""

import re
from pathlib import Path


def is_hub_id(text: str) -> bool:
    """Tell whether `text` is a hub id: owner/name, and no file or folder of that name is there.

    >>> is_hub_id("timbrooks/instruct-pix2pix"), is_hub_id("./editors/mine"), is_hub_id("mine")
    (True, False, False)
    """
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) is not None and not Path(text).exists()


def folder_or_hub_id(place: str, index: str, what: str) -> Path | None:
    """Return the folder `place` when it holds the file `index`, None when `place` is a hub id.

    ValueError for anything else; `what` begins the message, such as "Editor" or the name of a setting.
    """
    folder = Path(place)
    if (folder / index).is_file():
        return folder
    if is_hub_id(place):
        return None
    raise ValueError(f"{what} {place!r} is neither a folder with {index} nor a hub id such as owner/name.")
