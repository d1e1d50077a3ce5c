"""Tell ids of the Hugging Face hub from paths on the disk, and fetch a model's small files."""

import re
from collections.abc import Sequence
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


def files_of_hub(name: str, files: Sequence[str]) -> Path | None:
    """Fetch small files of a hub's model, or find them in the cache; return their folder, None where one is missing."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HFValidationError, HTTPError

    folder = None
    for file in files:
        try:
            folder = Path(hf_hub_download(name, file)).parents[file.count("/")]
        except (HFValidationError, HTTPError, OSError):
            return None
    return folder
