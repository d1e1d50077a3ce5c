"""Tell ids of the Hugging Face hub from paths on the disk."""

import re
from pathlib import Path


def is_hub_id(text: str) -> bool:
    """Tell whether `text` is a hub id: owner/name, and no file or folder of that name is there.

    >>> is_hub_id("timbrooks/instruct-pix2pix"), is_hub_id("./editors/mine"), is_hub_id("mine")
    (True, False, False)
    """
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", text) is not None and not Path(text).exists()
