"""The segments of one video -> picture files and the record of each pair. What a worker process of stage `frames` does.

Apart from the stage's file, so that a worker imports neither Prefect nor torch.
"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from modeling.data.images import Picture, encode_jpeg, encode_png, squash
from tasks.artifacts import Record
from tasks.config import FramesConfig
from tasks.remote_video import RemoteVideo, VideoFile
from tasks.segment import Segment
from tasks.video import Moment, Reading, Shown, VideoError, read_moments
from tasks.video_files import fingerprint

IMAGES = "images"
"""Folder of the pictures in the artifact, one folder in it for each video."""
SUFFIXES = {"png": ".png", "jpeg": ".jpg"}


@dataclass(frozen=True, kw_only=True)
class VideoJob:
    """A video to cut."""

    video_id: str
    """Its id; names the folder of its pictures."""
    path: "VideoFile | RemoteVideo"
    """Its file, or its address."""
    fingerprint: str
    """What the file was when it was found."""
    segments: tuple[Segment, ...]
    """The segments wanted."""
    config: FramesConfig
    """Size and format of the pictures."""
    folder: Path
    """Artifact's folder to write into."""


@dataclass(frozen=True, kw_only=True)
class VideoPairs:
    """What came of a video."""

    kept: list[Record]
    """One record for each pair."""
    rejected: list[Record]
    """Segments without a pair, with reasons."""
    files: list[str]
    """Pictures written, relative to the artifact's folder."""


def moments_of(segment: Segment) -> tuple[Moment, Moment]:
    """Return the moments of the source and the edited picture."""
    return (
        Moment(time_s=segment.start_s, index=segment.start_frame),
        Moment(time_s=segment.stop_s, index=segment.stop_frame),
    )


def cut_video(job: VideoJob) -> VideoPairs:
    """Write the pictures of a video's pairs. Leftovers of an earlier attempt are removed first.

    A picture that several segments share is written once. Whatever is wrong with the file fails its segments only.
    """
    assert not isinstance(job.path, RemoteVideo)  # opened by tasks/remote_pairs.py
    folder = job.folder / IMAGES / job.video_id
    shutil.rmtree(folder, ignore_errors=True)
    try:
        if fingerprint(job.path) != job.fingerprint:
            raise VideoError("video_changed", f"{job.path.name}: changed since it was found. Run again.")
        moments = [moment for segment in job.segments for moment in moments_of(segment)]
        reading = read_moments(job.path, moments, lambda image: _encode(image, job.config))
    except FileNotFoundError:
        return all_failed(job.segments, "video_missing", f"{job.path.name}: there is no such file.")
    except VideoError as error:
        return all_failed(job.segments, error.reason, str(error))
    return _write(job, folder, reading)


def all_failed(segments: Sequence[Segment], reason: str, message: str) -> VideoPairs:
    """Return the outcome of a video that gives nothing."""
    return VideoPairs(kept=[], rejected=[_failed(segment, reason, message) for segment in segments], files=[])


def _encode(image: Picture, config: FramesConfig) -> bytes:
    small = squash(image, config.size_px)
    return encode_png(small) if config.image_format == "png" else encode_jpeg(small)


def _failed(segment: Segment, reason: str, message: str) -> Record:
    return asdict(segment) | {"status": "failed", "reason": reason, "message": message}


def _write(job: VideoJob, folder: Path, reading: Reading[bytes]) -> VideoPairs:
    pairs = VideoPairs(kept=[], rejected=[], files=[])
    pictures: dict[str, bytes] = {}
    for place, segment in enumerate(job.segments):
        source, edited = reading.outcomes[2 * place : 2 * place + 2]
        if isinstance(source, VideoError) or isinstance(edited, VideoError):
            error = source if isinstance(source, VideoError) else edited
            assert isinstance(error, VideoError)
            pairs.rejected.append(_failed(segment, error.reason, str(error)))
            continue
        names = [_name(job, shown) for shown in (source, edited)]
        pictures |= {names[0]: source.kept, names[1]: edited.kept}
        pairs.kept.append(_record(segment, source, edited, names, job.config, reading.method))
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pictures.items():
        # Not synced one by one (seconds for a thousand pictures): the manifest is written after a sync of all.
        (job.folder / name).write_bytes(content)
    pairs.files.extend(pictures)
    return pairs


def _name(job: VideoJob, shown: Shown[bytes]) -> str:
    return f"{IMAGES}/{job.video_id}/{shown.index:07d}{SUFFIXES[job.config.image_format]}"


def _record(
    segment: Segment, source: Shown[bytes], edited: Shown[bytes], names: list[str], config: FramesConfig, read_by: str
) -> Record:
    return asdict(segment) | {
        "source_frame_index": source.index,
        "edited_frame_index": edited.index,
        "source_pts_s": source.pts_s,
        "edited_pts_s": edited.pts_s,
        "source_image": names[0],
        "edited_image": names[1],
        "size_px": config.size_px,
        "read_by": read_by,
    }
