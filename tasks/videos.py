"""segments + a folder of videos, or a server -> the existing videos, identified by their content.

Three ways give the same records: `local` finds files in a folder; `download` first fetches the missing ones; `ranges`
reads the first and last MiB of each from a server. No video is copied or opened.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from tasks.artifacts.addresses import shown_address
from tasks.artifacts.artifact import Artifact, Outside, Record, digest_of
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import Reader, VideosConfig
from tasks.fetching.content import HEAD_BYTES, why_no_video
from tasks.fetching.fill_folder import fill_folder
from tasks.fetching.opening import bytes_of, readable
from tasks.fetching.remote_video import FetchError, RemoteVideo
from tasks.fetching.sites import Site, is_remote
from tasks.fetching.video_files import VideoFolder, describe_video, failed_video, located, record_of


@stage
def videos(work: Work, config: VideosConfig, *, segments: Artifact, folder: Outside) -> None:
    """Find or fetch the videos that the segments need; the missing ones fail."""
    video_ids = sorted({segment["video_id"] for segment in segments.records()})
    reader: Reader = segments.manifest["config"]["reader"]
    site = Site(reader=reader, mirror=work.options.mirror)
    if is_remote(folder.location):
        described = _at_server(work, site, video_ids)
    else:
        path = located(folder.location, work.path)
        failed: dict[str, Record] = {}
        if work.options.fetch == "download":
            failed = fill_folder(path, site, video_ids, work.options, work.progress)
            work.facts["downloaded_from"] = site.location
        described = list(_in_folder(work, VideoFolder(path), video_ids, failed))
    kept = [record for record in described if "status" not in record]
    work.funnel = {"videos": len(described), "found": len(kept)}
    work.write_rows(kept, [record for record in described if "status" in record])


def _in_folder(work: Work, folder: VideoFolder, video_ids: list[str], failed: dict[str, Record]) -> Iterator[Record]:
    for done, video_id in enumerate(video_ids, start=1):
        yield failed.get(video_id) or describe_video(folder, video_id)
        work.progress(done, len(video_ids))


def _at_server(work: Work, site: Site, video_ids: list[str]) -> list[Record]:
    """Describe videos from their first and last MiB; each is an item, so a rerun requests only the failed ones."""
    keys = {video_id: digest_of(tuple(map(shown_address, site.urls(video_id)))) for video_id in video_ids}
    todo = [video_id for video_id in video_ids if not work.item_done(video_id, keys[video_id])]

    def describe(video_id: str) -> Record:
        try:
            return describe_remote(video_id, site.urls(video_id), work)
        except FetchError as error:
            return failed_video(video_id, error.reason, str(error), transient=True)

    with ThreadPoolExecutor(max_workers=work.options.connections) as pool:
        for done, (video_id, record) in enumerate(zip(todo, pool.map(describe, todo), strict=True), start=1):
            kept, rejected = ([], [record]) if "status" in record else ([record], [])
            work.finish_item(video_id, keys[video_id], kept=kept, rejected=rejected)
            work.progress(len(video_ids) - len(todo) + done, len(video_ids))
    kept, rejected = work.collect()
    work.facts["urls"] = {record["video_id"]: record.pop("url") for record in kept}
    return kept + rejected


def describe_remote(video_id: str, urls: tuple[str, ...], work: Work) -> Record:
    """Return the record of the first video that exists, with its `url`.

    FetchError when there is none; it names the likeliest address, as that of a download does.
    """
    gone: FetchError | None = None
    for url in urls:
        try:
            place = RemoteVideo(url=url, cache=work.path, patience=work.options.patience)
            with readable(place) as file:
                wrong = why_no_video(bytes_of(file, 0, HEAD_BYTES))
                if wrong is not None:
                    message = f"{shown_address(url)}: the server sends no video: it is {wrong}."
                    raise FetchError("not_a_video", message)
                return record_of(video_id, file) | {"url": shown_address(url)}
        except FetchError as error:
            if error.reason != "not_found":
                raise
            gone = gone or error
    raise gone or FetchError("not_found", f"{video_id}: no address is known.")
