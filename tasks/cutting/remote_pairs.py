"""The pairs of a local or remote video, with the number of transferred bytes; a worker of stage `frames` runs this."""

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.cutting.pairs import VideoJob, VideoPairs, all_failed, picture_folder
from tasks.cutting.pairs import cut_video as cut_opened_video
from tasks.fetching.opening import readable
from tasks.fetching.remote_video import FetchError, RemoteVideo


@dataclass(frozen=True, kw_only=True)
class FetchedPairs(VideoPairs):
    """The transfer of a video at an address."""

    num_bytes: int
    """Number of fetched bytes."""
    num_bytes_whole: int
    """Size of the whole video in bytes."""
    is_whole: bool
    """True when its container has no usable index, so it was read whole."""


def cut_video_anywhere(job: VideoJob) -> VideoPairs:
    """Write the pictures of a video's pairs; fetch only the needed parts of a video at an address."""
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
    """Return the transfer counts of a video, to be added up; empty for a local file."""
    if not isinstance(pairs, FetchedPairs):
        return {}
    return {
        "videos": 1,
        "read_whole": int(pairs.is_whole),
        "bytes": pairs.num_bytes,
        "bytes_of_videos": pairs.num_bytes_whole,
    }
