"""The pairs of a video wherever it is: what a worker of stage `frames` runs, telling what came over the line."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.cutting.pairs import VideoJob, VideoPairs, all_failed, picture_folder
from tasks.cutting.pairs import cut_video as cut_opened_video
from tasks.fetching.opening import readable
from tasks.fetching.remote_video import FetchError, RemoteVideo


@dataclass(frozen=True, kw_only=True)
class FetchedPairs(VideoPairs):
    """What came of a video at an address."""

    num_bytes: int
    """Bytes of it that were fetched."""
    num_bytes_whole: int
    """Bytes that it has."""
    is_whole: bool
    """Its container has no index that serves, so it was read whole."""


def cut_video_anywhere(job: VideoJob) -> VideoPairs:
    """Write the pictures of a video's pairs; of one at an address, fetch only what they need."""
    if not isinstance(job.path, RemoteVideo):
        return cut_opened_video(job)
    try:
        with readable(job.path) as file:
            pairs = cut_opened_video(replace(job, path=file))
            assert not isinstance(file, Path)
            return FetchedPairs(
                **vars(pairs), num_bytes=file.num_fetched, num_bytes_whole=file.size, is_whole=file.is_whole
            )
    except FetchError as error:
        shutil.rmtree(picture_folder(job), ignore_errors=True)
        return all_failed(job.segments, error.reason, str(error), transient=True)


def fetched_counts(pairs: VideoPairs) -> dict[str, int]:
    """Return what came over the line for a video, to be added up; nothing for a file."""
    if not isinstance(pairs, FetchedPairs):
        return {}
    return {
        "videos": 1,
        "read_whole": int(pairs.is_whole),
        "bytes": pairs.num_bytes,
        "bytes_of_videos": pairs.num_bytes_whole,
    }
