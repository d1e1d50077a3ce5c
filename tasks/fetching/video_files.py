"""A folder of videos, or a server, + video ids -> the files of the videos and their fingerprints.

It knows the official layouts (EPIC-KITCHENS by participant, MPII and tables flat) and uses no decoder. Anybody may have
written the annotation file of a video id, so the id is searched among the names that the folder lists, and never joined
to a path.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from tasks.artifacts.artifact import Artifact, Outside, Record, digest_of
from tasks.artifacts.failures import failed
from tasks.artifacts.once import read_once
from tasks.config import RunOptions
from tasks.fetching.opening import VideoFile, VideoPlace, bytes_of
from tasks.fetching.remote_video import RemoteVideo
from tasks.fetching.sites import EXTENSIONS, Site, is_remote, recorded_address

MIB = 1 << 20


_LEROBOT = re.compile(r"(?P<camera>[^/\\]+)--(?P<chunk>chunk-\d{3,6})--(?P<file>file-\d{3,6})", re.ASCII)
"""Form of the video ids of tasks/annotations/lerobot.py."""


def places_of(video_id: str) -> list[tuple[str, str]]:
    """Return the possible folders of a video, relative to the videos' folder, and its name there without suffix,
    likeliest first.

    >>> places_of("cam.top--chunk-000--file-007")[0]
    ('videos/cam.top/chunk-000', 'file-007')
    """
    lerobot = _LEROBOT.fullmatch(video_id)
    inside = [] if lerobot is None or video_id.startswith(".") else [f"{lerobot['camera']}/{lerobot['chunk']}"]
    nested = [(f"{top}{folder}", lerobot["file"]) for folder in inside for top in ("videos/", "") if lerobot]
    return nested + [(folder, video_id) for folder in layout_folders(video_id)]


def layout_folders(video_id: str) -> list[str]:
    """Return the possible folders of a video, relative to the videos' folder, likeliest first.

    >>> layout_folders("P01_102")[:3]
    ['', 'videos', 'P01/videos']
    """
    epic = re.fullmatch(r"(P\d\d+)_[^/]*", video_id)
    if epic is None:
        return ["", "videos"]
    extension = [f"{epic[1]}/videos", f"EPIC-KITCHENS/{epic[1]}/videos"]
    epic55 = [f"{top}{split}/{epic[1]}" for top in ("", "videos/") for split in ("train", "test")]
    return ["", "videos", *extension, *epic55]


class VideoFolder:
    """A folder of videos, listed once."""

    def __init__(self, path: Path):
        self.path = path
        self._listed = cache(self._list)
        self._inside = cache(self._folders)

    def _list(self, subfolder: str) -> dict[str, str]:
        """Map the names in a subfolder, and the names without a usual extension, to file names.

        Names are composed (NFC) with their extensions in small letters; a file with exactly this name has priority.
        """
        try:
            names = sorted(entry.name for entry in os.scandir(self.path / subfolder) if entry.is_file())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        by_stem: dict[str, str] = {}
        by_name: dict[str, str] = {}
        for name in sorted(names, key=_preference):
            stem, extension = os.path.splitext(name)
            if extension.lower() in EXTENSIONS:
                by_stem.setdefault(_composed(stem), name)
                by_name.setdefault(plain_name(name), name)
        return by_stem | by_name | {_composed(name): name for name in names} | {name: name for name in names}

    def _folders(self, subfolder: str) -> dict[str, str]:
        """Map the composed names of the folders in a subfolder to their own."""
        try:
            names = sorted(entry.name for entry in os.scandir(self.path / subfolder) if entry.is_dir())
        except (FileNotFoundError, NotADirectoryError):
            return {}
        return {_composed(name): name for name in names} | {name: name for name in names}

    def find(self, video_id: str) -> str | None:
        """Return the file of a video, relative to the folder, or None. An id may name subfolders, as P01/clip.mp4."""
        for layout, name_there in places_of(video_id):
            *parents, name = name_there.split("/")
            subfolder = self._descend(layout, parents)
            listed = self._listed(subfolder) if subfolder is not None else {}
            file = listed.get(name) or listed.get(_composed(name)) or listed.get(plain_name(name))
            if file is not None:
                return f"{subfolder}/{file}".lstrip("/")
        return None

    def has_folder(self, video_id: str) -> bool:
        """Tell whether there is a folder where the video may lie: often one of single pictures."""
        places = ((layout, name.split("/")) for layout, name in places_of(video_id))
        return any(self._descend(layout, parts) is not None for layout, parts in places)

    def _descend(self, subfolder: str, parents: Iterable[str]) -> str | None:
        """Return the folder that the names lead to, each searched among the existing names; None when there is none."""
        for parent in parents:
            inside = self._inside(subfolder).get(_composed(parent))
            if inside is None:
                return None
            subfolder = f"{subfolder}/{inside}".lstrip("/")
        return subfolder


def _composed(name: str) -> str:
    """Return a name with composed accents: macOS writes them decomposed, most annotations do not."""
    return unicodedata.normalize("NFC", name)


def plain_name(name: str) -> str:
    """Return a file's name with composed accents and its extension in small letters: .MP4 and .mp4 are the same.

    >>> plain_name("GOPR01.MP4")
    'GOPR01.mp4'
    """
    stem, extension = os.path.splitext(_composed(name))
    return stem + extension.lower()


def _preference(name: str) -> int:
    extension = os.path.splitext(name)[1].lower()
    return EXTENSIONS.index(extension) if extension in EXTENSIONS else len(EXTENSIONS)


def fingerprint(file: VideoFile) -> str:
    """Return the hex SHA-256 over a file's size and its first and last MiB: enough to distinguish large videos."""
    size = file.stat().st_size if isinstance(file, Path) else file.size
    digest = hashlib.sha256(f"{size}\n".encode())
    digest.update(bytes_of(file, 0, MIB))
    digest.update(bytes_of(file, max(size - MIB, 0), MIB))
    return digest.hexdigest()


def record_of(video_id: str, file: VideoFile) -> Record:
    """Return the record of a video: video_id, size, fingerprint; no path, because a moved video is the same video."""
    if isinstance(file, Path):
        return {"video_id": video_id, "size": file.stat().st_size, "fingerprint": read_once("ends", file, fingerprint)}
    return {"video_id": video_id, "size": file.size, "fingerprint": fingerprint(file)}


def failed_video(video_id: str, reason: str, message: str, *, transient: bool = False) -> Record:
    """Return the rejection of a video that is missing; `transient`: another attempt may find it."""
    return {"video_id": video_id} | failed(reason, message, transient=transient)


def describe_video(folder: VideoFolder, video_id: str) -> Record:
    """Return the record of a video, or its rejection when it is missing."""
    file = folder.find(video_id)
    if file is None:
        message = (
            f"no file named {video_id} with or without a usual extension in the videos' folder or its videos/; a file "
            "in another subfolder is named with it, as P01/clip.mp4"
        )
        if folder.has_folder(video_id):
            message = f"{video_id} is a folder in the videos' folder. Pictures are not read: make a video file of them"
        return failed_video(video_id, "video_missing", message)
    return record_of(video_id, folder.path / file)


def folder_digest(folder: Path, video_ids: Iterable[str], location: str | None = None) -> str:
    """Return the digest of the folder's files of these videos.

    The location is part of it. When the folder has moved, the list of videos is made again (in seconds), because later
    stages read the location from its manifest. Its content, and so every later key, stays the same.
    """
    listed = VideoFolder(folder)
    described = [describe_video(listed, video_id) for video_id in sorted(set(video_ids))]
    return digest_of({"location": location or str(folder.absolute()), "videos": described})


def outside_folder(folder: Path, video_ids: Iterable[str], workspace: Path) -> Outside:
    """Return the `folder` input of stage `videos`; a folder inside the workspace gets a relative name, so both can
    move.
    """
    location = location_of(folder, workspace)
    return Outside(location=location, digest=folder_digest(folder, video_ids, location))


def outside_site(site: Site, video_ids: Iterable[str]) -> Outside:
    """Return the `folder` input of stage `videos` where videos are read at a server: its address and the videos."""
    parts = {"site": site.location, "videos": sorted(set(video_ids))}
    return Outside(location=site.location, digest=digest_of(parts))


def location_of(folder: Path, workspace: Path) -> str:
    """Return the name of a folder for a manifest: relative to the workspace when it is inside, else absolute."""
    inside = folder.absolute().is_relative_to(workspace.absolute())
    return folder.absolute().relative_to(workspace.absolute()).as_posix() if inside else str(folder.absolute())


def located(location: str, stage_folder: Path) -> Path:
    """Return the folder that a location names; `stage_folder` is any `workspace/STAGE/NAME`."""
    return stage_folder.absolute().parent.parent / location


def video_paths(videos: Artifact, options: RunOptions | None = None) -> dict[str, VideoPlace]:
    """Map the video ids of a finished `videos` artifact to where they are: files, or addresses to read ranges from.

    The parts of the mirror's address that are not recorded (user, password, query) come from the options.
    """
    options = options or RunOptions()
    location = videos.manifest["inputs"]["folder"]["outside"]
    if is_remote(location):
        urls, cache = videos.manifest["facts"]["urls"], videos.path.parent
        return {
            record["video_id"]: RemoteVideo(
                url=recorded_address(urls[record["video_id"]], options.mirror, record["video_id"]),
                size=record["size"],
                cache=cache,
                patience=options.patience,
            )
            for record in videos.records()
        }
    folder = VideoFolder(located(location, videos.path))
    video_ids = [record["video_id"] for record in videos.records()]
    return {video_id: folder.path / (folder.find(video_id) or video_id) for video_id in video_ids}
