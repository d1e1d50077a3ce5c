"""The official annotations of a dataset -> a file beside the downloads; the pinned version where one is known.

They are fetched when the user gave no file. A user's file is always used; the reader records in the artifact's facts
whether it is the pinned one (tasks/annotations/epic.py).
"""

import os
from pathlib import Path

from tasks.annotations.epic import PINNED_FILES, git_blob
from tasks.config import Patience, Reader
from tasks.fetching.downloads import Download, download_all
from tasks.fetching.sites import annotation_urls

PINNED: dict[Reader, str] = {"epic": PINNED_FILES[0].git_blob}
"""Git blobs of the pinned annotations. MPII publishes no checksum."""


def fetch_annotations(target: Path, reader: Reader, *, mirror: str | None, patience: Patience) -> None:
    """Fetch a dataset's annotations to `target`. ValueError when they cannot be fetched, or are not the pinned ones."""
    fetched = target.with_name(f"{target.name}.fetched")
    download = Download(name=target.name, urls=annotation_urls(reader, mirror), target=fetched)
    [(_, error)] = download_all([download], connections=1, patience=patience)
    if error is not None:
        raise ValueError(f"The annotations could not be fetched ({error}) Give the file with --annotations.")
    blob, pinned = git_blob(fetched), PINNED.get(reader)
    if pinned is not None and blob != pinned:
        fetched.unlink()
        raise ValueError(
            f"What came as {target.name} is not the pinned file (its git blob is {blob[:12]}, not {pinned[:12]}) and "
            "was thrown away. Try again, or give a file of your own with --annotations."
        )
    os.replace(fetched, target)
