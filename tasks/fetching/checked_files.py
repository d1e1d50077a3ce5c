"""Notes in a folder of downloads: which files were checked, and which have disappeared or changed since.

With the notes, gigabytes are read only once for their MD5, and a deleted or altered video is noticed without reading.
"""

from collections.abc import Iterable
from pathlib import Path

from modeling.atomic import remove_unfinished, write_json
from modeling.json_text import parse_json
from tasks.artifacts.artifact import Outside, digest_of
from tasks.artifacts.inside import checked_parts
from tasks.fetching.sites import Site
from tasks.fetching.video_files import location_of

NOTES = ".fetched.json"


class CheckedFiles:
    """The checked files of a folder, by its notes."""

    def __init__(self, folder: Path):
        self.folder = folder
        path = folder / NOTES
        remove_unfinished(path)
        self._notes = _read_notes(path)

    def add(self, video_id: str, file: str, md5: str | None) -> None:
        """Note that a file passed its check."""
        self._notes[video_id] = {"file": file, **self._state(file), "md5": md5}
        write_json(self.folder / NOTES, self._notes)

    def holds(self, video_id: str, file: str, md5: str | None) -> bool:
        """Tell whether a file was checked with this MD5 and has not changed since."""
        return self._notes.get(video_id) == {"file": file, **self._state(file), "md5": md5}

    def is_lost(self, video_id: str) -> bool:
        """Tell whether a checked file is missing or altered."""
        note = self._notes.get(video_id)
        return note is not None and note != {**note, **self._state(str(note["file"]))}

    def _state(self, file: str) -> dict[str, object]:
        path = self.folder / file
        if not path.is_file():
            return {"size": None, "mtime_ns": None}
        return {"size": path.stat().st_size, "mtime_ns": path.stat().st_mtime_ns}


def _read_notes(path: Path) -> dict[str, dict[str, object]]:
    """Return the notes of a folder; notes that this project cannot have written are ignored."""
    try:
        notes = parse_json(path.read_bytes()) if path.is_file() else {}
    except ValueError:
        return {}
    good: dict[str, dict[str, object]] = {}
    for video_id, note in notes.items() if isinstance(notes, dict) else ():
        try:
            checked_parts(note["file"])
        except (ValueError, TypeError, KeyError):
            continue
        good[video_id] = note
    return good


def downloads_folder(folder: Path, site: Site, video_ids: Iterable[str], workspace: Path) -> Outside:
    """Return the `folder` input of stage `videos` where missing videos are downloaded.

    Its digest is the same before and after the download, so that a second run finds the first run's work. Lost files
    change the digest, so they are fetched again.
    """
    wanted = sorted(set(video_ids))
    checked = CheckedFiles(folder)
    location = location_of(folder, workspace)
    lost = [video_id for video_id in wanted if checked.is_lost(video_id)]
    parts = {"location": location, "site": site.location, "videos": wanted, "lost": lost}
    return Outside(location=location, digest=digest_of(parts))
