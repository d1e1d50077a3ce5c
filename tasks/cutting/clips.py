"""Video + segments -> the frames for the classifier: squashed, uint8 RGB, one pair of files per video.

A segment has eight equal parts. For each part the frames at a few moments are kept: training draws one of them each
time, and testing takes the middle one. A frame that is on screen at several moments is kept once.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evaluation.classifier.clips import NUM_FRAMES, Clip, frame_positions
from modeling.atomic import atomic_file
from modeling.data.images import squash
from tasks.artifacts.artifact import Artifact, Record, digest_of
from tasks.artifacts.failures import failed
from tasks.artifacts.map_items import Failure, map_items
from tasks.artifacts.processes import VIDEO_MEMORY, with_memory
from tasks.artifacts.work import Work
from tasks.config import ClassifierConfig
from tasks.fetching.opening import VideoPlace, readable
from tasks.fetching.video_files import video_paths
from tasks.video.decoding import VideoError
from tasks.video.exact_frames import AS_SHOWN, How, Moment, Shown, read_moments

CLIPS = "clips"
"""Folder of the cut clips; removed when the classifier is done."""


@dataclass(frozen=True, kw_only=True)
class VideoSegments:
    """The clips to cut out of one video; it is sent to a worker process."""

    video: VideoPlace
    """The video file, or its address."""
    spans_s: tuple[tuple[float, float], ...]
    """Start and stop of each segment, seconds from the first presented frame."""
    size_px: int
    """Side of the frames kept."""
    moments_per_part: int
    """Number of moments per eighth of a segment; odd."""
    target: Path
    """Stem of the two files to write."""
    how: How = AS_SHOWN
    """The settings that map a moment to a frame, as for the pairs."""


@dataclass(frozen=True)
class StoredClips:
    """The frames of one video's segments."""

    frames: NDArray[np.uint8]
    """[num_frames, H, W, 3], mapped from the file."""
    index: NDArray[np.int64]
    """Numbers of frames: [num_segments, 8 parts, moments per part]."""

    def clip(self, segment: int, choices: Sequence[int]) -> Clip:
        """Return a segment's clip with the chosen moment of each part."""
        return np.asarray(self.frames[self.index[segment, np.arange(NUM_FRAMES), list(choices)]])


def clip_moments(start_s: float, stop_s: float, per_part: int) -> list[float]:
    """Return 8 * per_part moments of a segment in ascending order: the middle of each part, and evenly around it."""
    choices = [(number + 0.5) / per_part for number in range(per_part)]
    by_choice = [frame_positions([choice] * NUM_FRAMES) for choice in choices]
    positions = [of_choice[part] for part in range(NUM_FRAMES) for of_choice in by_choice]
    return [start_s + (stop_s - start_s) * position for position in positions]


def cut_clips(task: VideoSegments) -> list[str | None]:
    """Write a video's frames and their index; return for each segment None, or why it could not be read.

    Nothing is written when all failed. FetchError when the transfer of a remote video fails.
    """
    moments = [Moment(time_s=time) for span in task.spans_s for time in clip_moments(*span, task.moments_per_part)]
    try:
        with readable(task.video) as video:
            outcomes = read_moments(video, moments, lambda frame: squash(frame, task.size_px), how=task.how).outcomes
    except VideoError as error:
        return [str(error)] * len(task.spans_s)
    per_segment = task.moments_per_part * NUM_FRAMES
    frames: dict[int, NDArray[np.uint8]] = {}
    errors: list[str | None] = []
    shown = np.zeros((len(task.spans_s), per_segment), dtype=np.int64)
    for number in range(len(task.spans_s)):
        part = outcomes[number * per_segment : (number + 1) * per_segment]
        good = [outcome for outcome in part if isinstance(outcome, Shown)]
        errors.append(next((str(outcome) for outcome in part if isinstance(outcome, VideoError)), None))
        if errors[-1] is None:
            frames |= {outcome.index: outcome.kept for outcome in good}
            shown[number] = [outcome.index for outcome in good]
    if frames:
        _save_clips(task, frames, shown)
    return errors


def _save_clips(task: VideoSegments, frames: dict[int, NDArray[np.uint8]], shown: NDArray[np.int64]) -> None:
    """Write the frames in presentation order, and replace their numbers in the video by those in the file."""
    numbers = np.array(sorted(frames), dtype=np.int64)
    stacked = np.stack([frames[number] for number in sorted(frames)])
    index = np.searchsorted(numbers, shown).reshape(len(task.spans_s), NUM_FRAMES, task.moments_per_part)
    _save(frames_file(task.target), stacked)
    _save(index_file(task.target), index)


def _save(path: Path, array: NDArray[np.generic]) -> None:
    with atomic_file(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def frames_file(target: Path) -> Path:
    """Return the path of a video's frames."""
    return target.with_name(f"{target.name}.frames.npy")


def index_file(target: Path) -> Path:
    """Return the path of a video's index."""
    return target.with_name(f"{target.name}.index.npy")


def load_clips(target: Path) -> StoredClips:
    """Open the files of `cut_clips`; frames are read when needed."""
    frames = np.load(frames_file(target), mmap_mode="r", allow_pickle=False)
    return StoredClips(frames, np.load(index_file(target), allow_pickle=False))


@dataclass(frozen=True, kw_only=True)
class CutSegment:
    """One segment with its clip."""

    row: Record
    """Record of the segment in the shards."""
    stored: StoredClips
    """The clips of its video."""
    number: int
    """Number of the segment among those of the video."""

    def middle_clip(self) -> Clip:
        """Return the clip of the middle frame of each part."""
        return self.stored.clip(self.number, [self.stored.index.shape[2] // 2] * NUM_FRAMES)


def cut_all(
    work: Work, rows: Sequence[Record], videos: Artifact, config: ClassifierConfig, how: How = AS_SHOWN
) -> dict[str, CutSegment]:
    """Cut the clips of all rows, video by video; return them by segment id. Unreadable ones are left out."""
    by_video: dict[str, list[Record]] = defaultdict(list)
    for row in rows:
        by_video[row["video_id"]].append(row)
    paths = video_paths(videos, work.options)
    fingerprints = {row["video_id"]: row["fingerprint"] for row in videos.records()}
    (work.path / CLIPS).mkdir(exist_ok=True)
    waiting: dict[str, tuple[VideoSegments, str]] = {}
    for video_id, segments in sorted(by_video.items()):
        cut = VideoSegments(
            video=paths[video_id],
            spans_s=tuple((row["start_s"], row["stop_s"]) for row in segments),
            size_px=config.size_px,
            moments_per_part=config.moments_per_part,
            target=_target(work, video_id),
            how=how,
        )
        key = digest_of([fingerprints[video_id], cut.spans_s, cut.size_px, cut.moments_per_part, vars(how)])
        if not work.item_done(video_id, key):
            waiting[video_id] = cut, key
    video_of = {cut.target: video_id for video_id, (cut, _) in waiting.items()}
    cuts, options = [cut for cut, _ in waiting.values()], work.options
    cut_bounded = partial(with_memory, cut_clips, VIDEO_MEMORY)
    results = map_items(cut_bounded, cuts, workers=options.workers, limit_s=options.item_limit_s)
    for done, (cut, errors) in enumerate(results, start=1):
        video_id = video_of[cut.target]
        rows, key = by_video[video_id], waiting[video_id][1]
        if isinstance(errors, Failure):
            _fail_video(work, video_id, key, rows, errors)
        else:
            _finish_video(work, video_id, key, rows, errors)
        work.progress(len(by_video) - len(waiting) + done, len(by_video) + config.num_epochs)
    return _open_clips(work, by_video)


def _target(work: Work, video_id: str) -> Path:
    return work.path / CLIPS / digest_of(video_id)[:24]


def _fail_video(work: Work, video_id: str, key: str, rows: list[Record], why: Failure) -> None:
    for file in (frames_file(_target(work, video_id)), index_file(_target(work, video_id))):
        file.unlink(missing_ok=True)
    columns = failed(why.reason, f"{video_id}: {why.message}.", transient=why.transient)
    work.finish_item(video_id, key, rejected=[{"segment_id": row["segment_id"]} | columns for row in rows])


def _finish_video(work: Work, video_id: str, key: str, rows: list[Record], errors: list[str | None]) -> None:
    kept = [{"segment_id": row["segment_id"], "number": number} for number, row in enumerate(rows)]
    target = _target(work, video_id)
    work.finish_item(
        video_id,
        key,
        kept=[row for row, error in zip(kept, errors, strict=True) if error is None],
        # Filtered, not failed: a second attempt would fail in the same way.
        rejected=[
            {"segment_id": row["segment_id"], "status": "filtered", "reason": "clip_unreadable", "message": error}
            for row, error in zip(rows, errors, strict=True)
            if error is not None
        ],
        files=[
            file.relative_to(work.path).as_posix()
            for file in (frames_file(target), index_file(target))
            if None in errors
        ],
    )


def _open_clips(work: Work, by_video: dict[str, list[Record]]) -> dict[str, CutSegment]:
    numbers = {row["segment_id"]: row["number"] for row in work.collect()[0]}
    opened = {}
    for video_id, rows in sorted(by_video.items()):
        readable = [row for row in rows if row["segment_id"] in numbers]
        if readable:
            stored = load_clips(_target(work, video_id))
            for row in readable:
                opened[row["segment_id"]] = CutSegment(row=row, stored=stored, number=numbers[row["segment_id"]])
    return opened
