"""The sites of official annotations and videos: dataset + video id -> addresses, MD5s, and a place in a folder.

EPIC-KITCHENS-100 comes video by video from two sites, with published MD5s (epic_videos.csv); MPII Cooking 2 comes as
one archive. A mirror replaces the sites. Nothing here opens a connection.

Sources: https://github.com/epic-kitchens/epic-kitchens-download-scripts,
https://github.com/epic-kitchens/epic-kitchens-100-annotations, and MPII Cooking 2's page.
"""

import csv
import os
import re
import sys
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlsplit

from tasks.artifacts.addresses import shown_address
from tasks.config import Reader

EPIC_55 = "https://data.bris.ac.uk/datasets/3h91syskeag572hl6tvuovwv4d"
EPIC_EXTENSION = "https://data.bris.ac.uk/datasets/2g1n6qdydwa9u22shpxqzp0t8m"
EPIC_ANNOTATIONS = (
    "https://raw.githubusercontent.com/epic-kitchens/epic-kitchens-100-annotations/"
    "ea8b40457a400c3fffa1c7f406ef3dc169cc2522/EPIC_100_train.csv"
)
MPII = "http://datasets.d2.mpi-inf.mpg.de/MPII-Cooking-2"
MPII_ARCHIVE = "MPII-Cooking-2-videos.tar.gz"
EXTENSIONS = (
    *(".mp4", ".avi", ".mkv", ".mov", ".webm", ".m4v", ".3gp", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".mxf", ".ogv"),
    *(".flv", ".wmv"),
)
"""Extensions of video files, in the order of preference when a folder holds the same video twice."""
UNSAID = (".mp4", ".MP4", ".webm", ".mkv", ".mov", ".MOV", ".avi")
"""Extensions with which a server is asked for a name without one."""
OFFICIAL: dict[Reader, str] = {"epic": "https://data.bris.ac.uk/datasets", "mpii": MPII}
"""The site that stands for a dataset's official addresses."""
ANNOTATIONS: dict[Reader, str] = {
    "epic": EPIC_ANNOTATIONS,
    "mpii": f"{MPII}/annos/attributesAnnotations_MPII-Cooking-2.mat",
}
MIRROR_VARIABLE = "EDITACTION_MIRROR"
"""Environment variable that holds a mirror's whole address."""
MD5_TABLE = Path(__file__).with_name("epic_videos.csv")
"""video_id, md5 of all 700 videos: an extract of data/md5.csv of epic-kitchens-download-scripts."""


@dataclass(frozen=True, kw_only=True)
class Site:
    """The source of one dataset's videos."""

    reader: Reader
    """Which dataset."""
    mirror: str | None = None
    """Address that replaces the official ones; with {video} or {participant} in it, it is the whole pattern."""

    @property
    def location(self) -> str:
        """The address of the site for manifests, without its secrets."""
        return shown_address(self._base).rstrip("/")

    @property
    def _base(self) -> str:
        base = self.mirror or OFFICIAL.get(self.reader)
        if base is None:
            raise ValueError("There is no official site for videos of your own: name one with --mirror URL.")
        return base

    def _at(self, path: str) -> str:
        """Return the address of a path below the site; user, password and query of the site's address stay in it."""
        parts = urlsplit(self._base)
        return parts._replace(path=f"{parts.path.rstrip('/')}/{path}").geturl()

    def urls(self, video_id: str) -> tuple[str, ...]:
        """Return the possible addresses of a video, the likeliest first.

        >>> Site(reader="epic").urls("P01_102")[0].removeprefix(EPIC_EXTENSION)
        '/P01/videos/P01_102.MP4'
        >>> [url.removeprefix(EPIC_55) for url in Site(reader="epic").urls("P01_02")]
        ['/videos/train/P01/P01_02.MP4', '/videos/test/P01/P01_02.MP4']
        >>> Site(reader="table", mirror="https://a.org/{participant}/{video}.mkv").urls("P01_02")
        ('https://a.org/P01/P01_02.mkv',)
        >>> Site(reader="table", mirror="https://a.org").urls("P01/clip.mp4")[:2]
        ('https://a.org/P01/clip.mp4', 'https://a.org/P01/clip.MP4')
        """
        participant = video_id.partition("_")[0]
        if self.mirror and re.search(r"\{(video|participant)\}", self.mirror):
            path, mark, query = self.mirror.partition("?")
            forms = _forms(video_id)
            return tuple(_filled(path, form, "/") + mark + _filled(query, form) for form in forms)
        if self.reader == "epic":
            return self._epic_urls(video_id, participant)
        is_mpii = self.reader == "mpii"
        folders = ("", "videos/", "MPII-Cooking-2/videos/") if is_mpii else ("", "videos/")
        names = [name for form in _forms(video_id) for name in _with_endings(form, is_mpii=is_mpii)]
        return tuple(self._at(f"{folder}{quote(name, safe='/')}") for folder in folders for name in names)

    def _epic_urls(self, video_id: str, participant: str) -> tuple[str, ...]:
        is_extension = re.fullmatch(r"P\d\d+_1\d\d", video_id) is not None
        file = f"{participant}/videos/{video_id}.MP4"
        split = [f"videos/{split}/{participant}/{video_id}.MP4" for split in ("train", "test")]
        if self.mirror is None:
            return (f"{EPIC_EXTENSION}/{file}",) if is_extension else tuple(f"{EPIC_55}/{path}" for path in split)
        paths = [file, f"EPIC-KITCHENS/{file}", *([] if is_extension else split), f"{video_id}.MP4"]
        return tuple(map(self._at, paths))

    @property
    def archive_urls(self) -> tuple[str, ...]:
        """Addresses of the archive of all videos; empty where there is no such archive."""
        if self.reader != "mpii" or (self.mirror and "{" in self.mirror):
            return ()
        folders = ("", "MPII-Cooking-2/") if self.mirror else ("",)
        return tuple(self._at(f"{folder}{MPII_ARCHIVE}") for folder in folders)

    def place(self, video_id: str) -> str:
        """Return the path of a fetched video, relative to the folder of downloads, as in the official tool.

        >>> Site(reader="epic").place("P01_102"), Site(reader="table", mirror="http://a").place("b.mkv")
        ('EPIC-KITCHENS/P01/videos/P01_102.MP4', 'videos/b.mkv')
        """
        if self.reader == "epic":
            return f"EPIC-KITCHENS/{video_id.partition('_')[0]}/videos/{video_id}.MP4"
        suffix = "" if _names_a_file(video_id) else ".avi" if self.reader == "mpii" else ".mp4"
        return f"videos/{video_id}{suffix}"

    def md5(self, video_id: str) -> str | None:
        """Return the published MD5 of a video; None where there is none."""
        return epic_md5s().get(video_id) if self.reader == "epic" else None


def _forms(video_id: str) -> tuple[str, ...]:
    """Return the forms of a name, as a server cannot be listed: accents composed, and decomposed as on a Mac."""
    return tuple(dict.fromkeys((video_id, unicodedata.normalize("NFD", video_id))))


def _with_endings(name: str, *, is_mpii: bool) -> Iterable[str]:
    """Return a name with its possible extensions, the likeliest first.

    >>> list(_with_endings("clip.mov", is_mpii=False)), list(_with_endings("S1", is_mpii=True))
    (['clip.mov', 'clip.MOV'], ['S1.avi'])
    """
    stem, extension = os.path.splitext(name)
    if _names_a_file(name):
        return dict.fromkeys((name, stem + extension.lower(), stem + extension.upper()))
    if is_mpii:
        return (f"{name}.avi", *((name,) if extension else ()))
    return (*(name + ending for ending in UNSAID), *((name,) if extension else ()))  # .v2 may be an extension


def _names_a_file(video_id: str) -> bool:
    """Tell whether a video id has the extension of a video file; my.clip has none."""
    return Path(video_id).suffix.lower() in EXTENSIONS


def check_mirror(mirror: str) -> None:
    """Raise ValueError when a mirror is no web address."""
    try:
        parts = urlsplit(mirror)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        shown = shown_address(mirror) if "@" in mirror or "?" in mirror else mirror
        raise ValueError(f"--mirror {shown} is no address such as https://example.org/videos; a folder is --videos.")


def recorded_address(recorded: str, mirror: str | None, video_id: str) -> str:
    """Return a recorded address with the mirror's user, password and query, added for the mirror's host only."""
    if mirror is None:
        return recorded
    known, parts = urlsplit(mirror), urlsplit(recorded)
    if (known.scheme, known.hostname, known.port) != (parts.scheme, parts.hostname, parts.port):
        return recorded
    return parts._replace(netloc=known.netloc, query=_filled(known.query, video_id)).geturl()


def _filled(pattern: str, video_id: str, kept: str = "") -> str:
    """Fill in a pattern; `kept`: "/" where folders of the id are folders of the address."""
    filled = pattern.replace("{video}", quote(video_id, safe=kept))
    return filled.replace("{participant}", quote(video_id.partition("_")[0], safe=""))


def is_remote(location: str) -> bool:
    """Tell whether a location is an address rather than a folder."""
    return location.startswith(("http://", "https://"))


def annotation_urls(reader: Reader, mirror: str | None) -> tuple[str, ...]:
    """Return the addresses of a dataset's official annotations; a mirror's come first. None for tables."""
    official = ANNOTATIONS.get(reader)
    if official is None:
        return ()
    if mirror is None or "{" in mirror:
        return (official,)
    return Site(reader=reader, mirror=mirror)._at(official.rsplit("/", 1)[1]), official


@cache
def epic_md5s() -> dict[str, str]:
    """Map the ids of all 700 EPIC-KITCHENS-100 videos to their published MD5s."""
    with MD5_TABLE.open(newline="", encoding="utf-8") as file:
        return {row["video_id"]: row["md5"] for row in csv.DictReader(file)}


def extract_md5s(rows: Iterable[dict[str, str]]) -> list[tuple[str, str]]:
    """Return (video_id, md5) of the videos among the rows of the official md5.csv, sorted by id.

    Its columns are md5, file_remote_path and version; files other than videos (frames, flow, masks) are left out.
    """
    videos = [row for row in rows if row["file_remote_path"].endswith(".MP4")]
    return sorted((Path(row["file_remote_path"]).stem, row["md5"]) for row in videos)


if __name__ == "__main__":  # python -m tasks.fetching.sites md5.csv > tasks/fetching/epic_videos.csv
    with open(sys.argv[1], newline="", encoding="utf-8") as md5_csv:
        print("video_id,md5")
        for video, md5 in extract_md5s(csv.DictReader(md5_csv)):
            print(f"{video},{md5}")
