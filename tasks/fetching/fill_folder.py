"""Download the missing videos of a folder in the official layout, and check those whose MD5 is published."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tasks.artifacts.artifact import Record
from tasks.config import RunOptions
from tasks.fetching.archives import extract_videos
from tasks.fetching.checked_files import CheckedFiles
from tasks.fetching.content import HEAD_BYTES, why_no_video
from tasks.fetching.downloads import Download, download_all, md5_of
from tasks.fetching.opening import bytes_of
from tasks.fetching.remote_video import FetchError
from tasks.fetching.sites import MPII_ARCHIVE, Site
from tasks.fetching.transfer import note_of, part_of
from tasks.fetching.video_files import VideoFolder, failed_video


def fill_folder(
    folder: Path,
    site: Site,
    video_ids: Iterable[str],
    options: RunOptions,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Record]:
    """Fetch the videos that the folder lacks; return the rejections of those that could not be fetched.

    An existing file with another MD5 than the published one is not changed, and fails. Progress is in MB.
    """
    folder.mkdir(parents=True, exist_ok=True)
    listed, checked = VideoFolder(folder), CheckedFiles(folder)
    failed: dict[str, Record] = {}
    missing: dict[str, Path] = {}
    for video_id in video_ids:
        file = listed.find(video_id)
        md5 = site.md5(video_id)
        if file is None:
            missing[video_id] = folder / site.place(video_id)
            continue
        _forget_part(folder / file)
        page = why_no_video(bytes_of(folder / file, 0, HEAD_BYTES)) if md5 is None else None
        is_noted = checked.holds(video_id, file, md5)
        if page is not None and is_noted:  # fetched by a version that did not recognise pages
            missing[video_id] = folder / file
        elif page is not None:
            message = f"{file}: no video: it is {page}. Remove it to have it fetched."
            failed[video_id] = failed_video(video_id, "not_a_video", message)
        elif not is_noted:
            wrong = _wrong_checksum(folder / file, md5)
            if wrong is None:
                checked.add(video_id, file, md5)
            else:
                failed[video_id] = failed_video(video_id, "wrong_checksum", wrong)
    fetch = _from_archive if site.archive_urls else _one_by_one
    for video_id, error in fetch(folder, site, missing, options, on_progress):
        if error is not None:
            failed[video_id] = failed_video(video_id, error.reason, str(error), transient=True)
        else:
            checked.add(video_id, site.place(video_id), site.md5(video_id))
    return failed


def _forget_part(path: Path) -> None:
    """Remove the note of a part that a run left when it was killed just after the part had become the file."""
    if not part_of(path).exists():
        note_of(part_of(path)).unlink(missing_ok=True)


def _wrong_checksum(path: Path, md5: str | None) -> str | None:
    """Return the error of an existing file; None when it is good."""
    actual_md5 = md5_of(path) if md5 else None
    if actual_md5 == md5:
        return None
    return (
        f"{path.name} has the MD5 {actual_md5}, not the published {md5}. Remove it to have it fetched, or use "
        "--fetch local."
    )


Outcomes = Iterator[tuple[str, FetchError | None]]


def _one_by_one(
    folder: Path, site: Site, missing: dict[str, Path], options: RunOptions, on_progress: Callable[[int, int], None]
) -> Outcomes:
    downloads = [
        Download(name=video_id, urls=site.urls(video_id), target=target, md5=site.md5(video_id))
        for video_id, target in missing.items()
    ]
    for download, error in _download(downloads, options, on_progress):
        yield download.name, error


def _from_archive(
    folder: Path, site: Site, missing: dict[str, Path], options: RunOptions, on_progress: Callable[[int, int], None]
) -> Outcomes:
    """Fetch the archive and extract the videos; a mirror without the archive may have the single videos."""
    if not missing:
        return
    places = (folder / MPII_ARCHIVE, folder / "MPII-Cooking-2" / MPII_ARCHIVE)
    archive = next((place for place in places if place.is_file()), places[0])
    if archive.is_file():
        _forget_part(archive)
    else:
        download = Download(name=MPII_ARCHIVE, urls=site.archive_urls, target=archive)
        [(_, error)] = _download([download], options, on_progress)
        if error is not None and error.reason == "not_found" and site.mirror is not None:
            yield from _one_by_one(folder, site, missing, options, on_progress)
            return
        if error is not None:
            yield from ((video_id, error) for video_id in missing)
            return
    extracted: list[str] = []

    def count(video_id: str) -> None:
        extracted.append(video_id)
        on_progress(len(extracted), len(missing))

    errors = extract_videos(archive, missing, count)
    yield from ((video_id, errors.get(video_id)) for video_id in missing)


def _download(
    downloads: list[Download], options: RunOptions, on_progress: Callable[[int, int], None]
) -> Iterator[tuple[Download, FetchError | None]]:
    return download_all(
        downloads,
        connections=options.connections,
        patience=options.patience,
        on_bytes=lambda done, total: on_progress(done // 1_000_000, -(-total // 1_000_000)),
    )
