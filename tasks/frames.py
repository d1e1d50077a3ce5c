"""segments + videos -> the first and last frame of every segment, as pictures of one size. An item is a video."""

import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import partial
from itertools import chain

from tasks.annotations.instructions import as_read
from tasks.annotations.segment import Segment
from tasks.artifacts.artifact import Artifact, Record, digest_of
from tasks.artifacts.map_items import CRASHED, Failure, map_items
from tasks.artifacts.processes import VIDEO_MEMORY, with_memory
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import FramesConfig
from tasks.cutting.outside import facts_of
from tasks.cutting.pairs import DECODER_KEY, VideoJob, VideoPairs, all_failed, picture_folder
from tasks.cutting.remote_pairs import cut_video_anywhere, fetched_counts
from tasks.fetching.opening import VideoPlace, size_of
from tasks.fetching.video_files import video_paths
from tasks.stages import STAGES
from tasks.video.decoding import decoder_settings

DECODER_CRASHED = "decoder_crashed"
MISSING = "no file of this name in the videos' folder"


def segments_by_video(segments: Artifact) -> dict[str, tuple[Segment, ...]]:
    """Return the segments of each video, in the order of the file."""
    by_video: dict[str, list[Segment]] = defaultdict(list)
    for record in segments.records():
        by_video[record["video_id"]].append(Segment(**record))
    return {video_id: tuple(of_video) for video_id, of_video in by_video.items()}


def by_file(
    by_video: dict[str, tuple[Segment, ...]], paths: dict[str, VideoPlace]
) -> tuple[dict[str, tuple[Segment, ...]], list[Record]]:
    """Return the segments of each file under the first of its names, and the rows of those that repeat others.

    A table may name one file twice, as clip and clip.mp4: the same action would be trained on and tested, and with
    held-out videos the same video. Repeats under one name are the reader's matter.
    """
    first_name: dict[VideoPlace, str] = {}
    for video_id in sorted(set(by_video) & set(paths)):
        first_name.setdefault(paths[video_id], video_id)
    names = {video_id: first_name[paths[video_id]] if video_id in paths else video_id for video_id in by_video}
    merged: dict[str, list[Segment]] = {name: [] for name in names.values()}
    repeats: list[Record] = []
    for video_id, name in sorted(names.items()):
        there = {identity_of(segment) for segment in merged[name]}
        for segment in by_video[video_id]:
            group = name if segment.group == video_id else segment.group
            renamed = replace(segment, video_id=name, group=group)
            if identity_of(segment) not in there:
                merged[name].append(renamed)
                continue
            message = f"{video_id} is the same file as {name}, and a row of the same times and instruction is there."
            why = {"status": "filtered", "reason": "duplicate_segment", "message": message}
            repeats.append(asdict(renamed) | why)
    return {name: tuple(segments) for name, segments in merged.items()}, repeats


def identity_of(segment: Segment) -> tuple[object, ...]:
    """Return what makes two segments of one file the same."""
    span = (repr(segment.start_s), repr(segment.stop_s), segment.start_frame, segment.stop_frame)
    return (*span, as_read(segment.instruction))


def item_key(fingerprint: str, segments: tuple[Segment, ...], config: FramesConfig) -> str:
    """Return the key of a video's pairs: a digest of everything that decides them."""
    plain = [vars(segment) for segment in segments]
    version = STAGES["frames"].version
    return digest_of({"fingerprint": fingerprint, "segments": plain, "config": vars(config), "version": version})


def cut_videos(
    jobs: list[VideoJob], workers: int, limit_s: float = float("inf")
) -> Iterator[tuple[VideoJob, VideoPairs]]:
    """Cut videos in parallel, the largest first; yield each when it is finished. An error in one video affects no
    other.
    """
    largest_first = sorted(jobs, key=lambda job: -size_of(job.path))
    cut = partial(with_memory, cut_video_anywhere, VIDEO_MEMORY)
    for job, pairs in map_items(cut, largest_first, workers=workers, limit_s=limit_s):
        if isinstance(pairs, Failure):
            shutil.rmtree(picture_folder(job), ignore_errors=True)
            reason = DECODER_CRASHED if pairs.reason == CRASHED else pairs.reason
            message = f"{job.path.name}: {pairs.message}."
            yield job, all_failed(job.segments, reason, message, transient=pairs.transient)
        else:
            yield job, pairs


@stage
def frames(work: Work, config: FramesConfig, *, segments: Artifact, videos: Artifact) -> None:
    """Cut the frame on screen at the start and at the stop of every segment."""
    paths = video_paths(videos, work.options)
    by_video, repeats = by_file(segments_by_video(segments), paths)
    lacking = {row["video_id"]: row for row in videos.rejected()}
    fingerprints = {record["video_id"]: record["fingerprint"] for record in videos.records()}
    keys = {video_id: item_key(fingerprints.get(video_id, ""), by_video[video_id], config) for video_id in by_video}
    todo = [video_id for video_id, key in keys.items() if not work.item_done(video_id, key)]
    num_done = len(by_video) - len(todo)
    jobs = []
    for video_id in todo:
        if video_id not in paths:
            why = lacking.get(video_id, {"reason": "video_missing", "message": f"{video_id}: {MISSING}."})
            missing = all_failed(by_video[video_id], why["reason"], why["message"])
            work.finish_item(video_id, keys[video_id], rejected=missing.rejected)
            num_done += 1
            continue
        job = VideoJob(
            video_id=video_id,
            path=paths[video_id],
            fingerprint=fingerprints[video_id],
            segments=by_video[video_id],
            config=config,
            folder=work.path,
        )
        jobs.append(job)
    work.progress(num_done, len(by_video))
    fetched: Counter[str] = Counter()
    for job, pairs in cut_videos(jobs, work.options.workers, work.options.item_limit_s):
        key = keys[job.video_id]
        work.finish_item(job.video_id, key, kept=pairs.kept, rejected=pairs.rejected, files=pairs.files)
        fetched.update(fetched_counts(pairs))
        num_done += 1
        work.progress(num_done, len(by_video))
    read_by: Counter[str] = Counter()
    by_key: Counter[str] = Counter()
    for kept, _ in work.collected():
        read_by.update(record["read_by"] for record in kept)
        by_key.update(record["decoder_key"] for record in kept)
    with_video = sum(len(of_video) for video_id, of_video in by_video.items() if video_id in paths)
    num_segments = sum(map(len, by_video.values())) + len(repeats)
    work.funnel = {"segments": num_segments, "with_video": with_video, "with_frames": read_by.total()}
    work.facts = {
        "pairs_read_by": dict(sorted(read_by.items())),
        "pairs_by_decoder_key": dict(sorted(by_key.items())),
        "decoder_settings": {DECODER_KEY: decoder_settings()},
    }
    work.facts |= facts_of(row for kept, _ in work.collected() for row in kept)
    work.facts |= {"fetched": dict(fetched)} if fetched else {}
    work.write_rows(
        (row for kept, _ in work.collected() for row in kept),
        chain((row for _, rejected in work.collected() for row in rejected), repeats),
    )
