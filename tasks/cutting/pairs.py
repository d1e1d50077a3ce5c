"""The segments of one video -> picture files and the record of each pair; the work of a worker process of stage
`frames`.

It is not in the stage's file, so that a worker imports neither Prefect nor torch.
"""

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path

from modeling.data.images import Picture, encode_jpeg, encode_png
from tasks.annotations.segment import MAX_NAME_BYTES, Segment
from tasks.artifacts.artifact import Record, digest_of
from tasks.artifacts.failures import failed
from tasks.config import FramesConfig
from tasks.cutting.outside import STARTS_BEHIND_VIDEO, is_clamped, is_late, starts_behind
from tasks.cutting.quality import Appearance, look_at, quality_of
from tasks.fetching.opening import VideoFile
from tasks.fetching.remote_video import RemoteVideo
from tasks.fetching.video_files import fingerprint
from tasks.video.decoding import decoder_settings
from tasks.video.exact_frames import How, Moment, Reading, Shown, VideoError, read_moments

LAST_FRAME = 2**40
"""A number beyond every video's last frame; it means the last frame."""
UNNAMED = ".part"
"""Ending of a picture whose number in the video is not known yet."""
IMAGES = "images"
"""Folder of the pictures in the artifact, one folder in it for each video."""
SUFFIXES = {"png": ".png", "jpeg": ".jpg"}
DECODER_KEY = digest_of(decoder_settings())[:8]
"""Short name of the settings that frames are decoded with; the artifact's facts spell them out."""


@dataclass(frozen=True, kw_only=True)
class VideoJob:
    """A video to cut."""

    video_id: str
    """Id of the video; it names the folder of the video's pictures."""
    path: "VideoFile | RemoteVideo"
    """File of the video, or its address."""
    fingerprint: str
    """The file's state when it was found."""
    segments: tuple[Segment, ...]
    """The segments wanted."""
    config: FramesConfig
    """Size and format of the pictures."""
    folder: Path
    """Artifact's folder to write into."""


@dataclass(frozen=True, kw_only=True)
class Cut:
    """The kept facts about a frame."""

    path: Path
    """Picture file, which is written while decoding."""
    look: Appearance
    """The measurements for the pair's quality."""


@dataclass(frozen=True, kw_only=True)
class VideoPairs:
    """The result of a video."""

    kept: list[Record]
    """One record for each pair."""
    rejected: list[Record]
    """Segments without a pair, with reasons."""
    files: list[str]
    """Pictures written, relative to the artifact's folder."""


def moments_of(segment: Segment) -> tuple[Moment, Moment]:
    """Return the moments of the source and the edited picture."""
    if segment.is_whole_clip:
        return Moment(index=0), Moment(index=LAST_FRAME)
    if math.isnan(segment.start_s):
        return Moment(index=segment.start_frame), Moment(index=segment.stop_frame)
    return (
        Moment(time_s=segment.start_s, index=segment.start_frame),
        Moment(time_s=segment.stop_s, index=segment.stop_frame),
    )


def how_of(config: FramesConfig) -> How:
    """Return the config's settings that map a moment to a frame."""
    return How(
        deinterlaces=config.deinterlace == "bwdif",
        from_container=config.time_zero == "container",
        crops=config.crop == "container",
    )


def cut_video(job: VideoJob) -> VideoPairs:
    """Write the pictures of a video's pairs, after removing leftovers of an earlier attempt.

    A picture that several segments share is written once. An error of the file fails only its own segments.
    """
    assert not isinstance(job.path, RemoteVideo)  # opened by tasks/cutting/remote_pairs.py
    folder = picture_folder(job)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        if fingerprint(job.path) != job.fingerprint:
            raise VideoError("video_changed", f"{job.path.name}: changed since it was found. Run again.")
        reading = _read_pictures(job.path, job, folder)
    except FileNotFoundError:
        return all_failed(job.segments, "video_missing", f"{job.path.name}: there is no such file.")
    except VideoError as error:
        return all_failed(job.segments, error.reason, str(error))
    return _pairs(job, folder, reading)


def _read_pictures(path: VideoFile, job: VideoJob, folder: Path) -> Reading[Cut]:
    """Read the moments of a video and write their pictures; remove them all when the video as a whole fails."""
    moments = [moment for segment in job.segments for moment in moments_of(segment)]
    try:
        how = how_of(job.config)
        return read_moments(path, moments, _writer(folder, job.config), size_px=job.config.size_px, how=how)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def picture_folder(job: VideoJob) -> Path:
    """Return the folder of a video's pictures; after a crash it may hold only some of them."""
    return job.folder / IMAGES / folder_name(job.video_id)


def folder_name(video_id: str) -> str:
    """Return the name of the folder of a video's pictures: one folder each, also for videos in subfolders, never long.

    >>> folder_name("P01_101"), folder_name("P01/clip.mp4")
    ('P01_101', 'P01_clip.mp4-bc9b06b8')
    """
    if "/" not in video_id and len(video_id.encode()) <= MAX_NAME_BYTES:
        return video_id
    start = video_id.replace("/", "_").encode()[:200].decode(errors="ignore")
    return f"{start}-{digest_of(video_id)[:8]}"


def all_failed(segments: Sequence[Segment], reason: str, message: str, *, transient: bool = False) -> VideoPairs:
    """Return the result of a failed video; `transient`: another attempt may succeed."""
    why = failed(reason, message, transient=transient)
    return VideoPairs(kept=[], rejected=[asdict(segment) | why for segment in segments], files=[])


def _writer(folder: Path, config: FramesConfig) -> Callable[[Picture], Cut]:
    """Return the function that writes each picture when it is decoded: an hour of pictures would need too much memory.

    The files are numbered in the order of decoding: the number in the video is known only later.
    """
    folder.mkdir(parents=True)
    numbers = count()

    def write(image: Picture) -> Cut:
        path = folder / f"{next(numbers)}{UNNAMED}"
        # Not synced one by one (seconds for a thousand pictures): the manifest is written after a sync of all.
        path.write_bytes(encode_png(image) if config.image_format == "png" else encode_jpeg(image))
        return Cut(path=path, look=look_at(image))

    return write


def _pairs(job: VideoJob, folder: Path, reading: Reading[Cut]) -> VideoPairs:
    pairs = VideoPairs(kept=[], rejected=[], files=[])
    pictures: dict[str, Path] = {}
    for place, segment in enumerate(job.segments):
        source, edited = reading.outcomes[2 * place : 2 * place + 2]
        if isinstance(source, VideoError) or isinstance(edited, VideoError):
            error = source if isinstance(source, VideoError) else edited
            assert isinstance(error, VideoError)
            pairs.rejected.append(asdict(segment) | failed(error.reason, str(error)))
            continue
        message = starts_behind(_from_first_frame(segment, job.config, reading), reading.film, job.path.name)
        if message is not None:
            filtered = {"status": "filtered", "reason": STARTS_BEHIND_VIDEO, "message": message}
            pairs.rejected.append(asdict(segment) | filtered)
            continue
        names = [_name(job, shown) for shown in (source, edited)]
        pictures |= {names[0]: source.kept.path, names[1]: edited.kept.path}
        pairs.kept.append(_record(segment, source, edited, names, job.config, reading))
    for name, written in pictures.items():
        written.rename(job.folder / name)
    for unused in folder.glob(f"*{UNNAMED}"):
        unused.unlink()
    pairs.files.extend(pictures)
    return pairs


def _name(job: VideoJob, shown: Shown[Cut]) -> str:
    return f"{IMAGES}/{folder_name(job.video_id)}/{shown.index:07d}{SUFFIXES[job.config.image_format]}"


def _record(
    segment: Segment,
    source: Shown[Cut],
    edited: Shown[Cut],
    names: list[str],
    config: FramesConfig,
    reading: Reading[Cut],
) -> Record:
    film = reading.film
    if math.isnan(segment.start_s):  # counted in frames, or the whole clip: the times are known now
        zero_s = float(reading.first_pts_s - (film.late_s if config.time_zero == "container" else 0))
        start_s, stop_s = (round(frame.pts_s - zero_s, 6) for frame in (source, edited))
        segment = replace(segment, start_s=start_s, stop_s=stop_s)
    from_first = _from_first_frame(segment, config, reading)
    times_s = (Moment(time_s=time).exact_s for time in (from_first.start_s, from_first.stop_s))
    source_asked_s, edited_asked_s = (float(time + reading.first_pts_s) for time in times_s)
    taken = {
        "source_frame_index": source.index,
        "edited_frame_index": edited.index,
        "source_requested_pts_s": source_asked_s,
        "edited_requested_pts_s": edited_asked_s,
        "source_pts_s": source.pts_s,
        "edited_pts_s": edited.pts_s,
        "source_image": names[0],
        "edited_image": names[1],
        "size_px": config.size_px,
        "read_by": reading.method,
        "clamped_to_end": is_clamped(from_first, film),
        "is_interlaced": source.is_interlaced or edited.is_interlaced,
        "hdr": source.hdr or edited.hdr,
        "wide_gamut": source.wide_gamut or edited.wide_gamut,
        "video_stream": film.stream_index,
        "num_video_streams": film.num_streams,
        "video_offset_s": round(float(film.late_s), 6),
        "video_starts_late": is_late(film),
        "container_crop": str(film.crop or ""),
        "crop_applied": film.crop is not None and config.crop == "container",
        "decoder_key": DECODER_KEY,
    }
    return asdict(segment) | taken | quality_of(source.kept.look, edited.kept.look)


def _from_first_frame(segment: Segment, config: FramesConfig, reading: Reading[Cut]) -> Segment:
    """Return a segment with its times counted from the first frame, for every `time_zero` of the config."""
    late_s = reading.film.late_s
    if config.time_zero == "first_frame" or not late_s or math.isnan(segment.start_s):
        return segment
    start_s, stop_s = (float(Moment(time_s=time, shift_s=late_s).exact_s) for time in (segment.start_s, segment.stop_s))
    return replace(segment, start_s=start_s, stop_s=stop_s)
