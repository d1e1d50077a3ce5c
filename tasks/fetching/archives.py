"""A tar archive of videos + video ids -> these videos as files of one folder; no other member is written.

The requested id decides where a member is written. The path in the archive is never used, so no member can be written
outside the folder; links and devices are skipped.
"""

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO, cast

from modeling.atomic import atomic_file, remove_unfinished
from tasks.fetching.remote_video import FetchError


def extract_videos(
    archive: Path, targets: dict[str, Path], on_member: Callable[[str], None] = lambda video_id: None
) -> dict[str, FetchError]:
    """Write the members with the ids' names (with or without extension) to their targets.

    Return the reason for each missing id: `not_in_archive`, or `archive_broken` when it may come after a damage. Videos
    before the damage stay. OSError when the disk is full, checked before each member.
    """
    missing = dict(targets)
    try:
        # Read from front to back: a compressed archive of many GB is not gone through twice.
        with _unpacked(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r|*") as tar:
            for member in tar:
                if not missing and not isinstance(unpacked, gzip.GzipFile):
                    break
                video_id = _asked_for(member, missing)
                if video_id is not None:
                    _write(tar, member, missing[video_id])
                    del missing[video_id]
                    on_member(video_id)
            while unpacked.read(1 << 20):
                pass  # to the end, because the checksum of gzip is there
    except gzip.BadGzipFile as error:
        for video_id in targets.keys() - missing.keys():
            targets[video_id].unlink(missing_ok=True)
        message = f"{archive.name} is damaged ({error}), nobody knows where. Remove it to have it fetched again."
        return {video_id: FetchError("archive_broken", message) for video_id in targets}
    except (tarfile.TarError, EOFError, zlib.error) as error:
        message = f"{archive.name} is broken ({error}). Remove it to have it fetched again."
        return {video_id: FetchError("archive_broken", message) for video_id in missing}
    return {video_id: FetchError("not_in_archive", f"{archive.name} has no file {video_id}.") for video_id in missing}


def _unpacked(archive: Path) -> IO[bytes]:
    """Open an archive; the checksum of gzip is compared, which tarfile does not do for a stream."""
    with archive.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    return cast(IO[bytes], gzip.open(archive)) if is_gzip else archive.open("rb")


def _asked_for(member: tarfile.TarInfo, ids: Iterable[str]) -> str | None:
    """Return the id of a member's video."""
    if not member.isreg():
        return None
    name = PurePosixPath(member.name)
    return next((video_id for video_id in ids if video_id in (name.name, name.stem)), None)


def _write(tar: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(target.parent).free
    if member.size > free:
        raise OSError(f"{target.name} needs {member.size / 1e9:.1f} GB and {free / 1e9:.1f} GB are free")
    source = tar.extractfile(member)
    assert source is not None  # a regular file
    remove_unfinished(target)
    with atomic_file(target) as temporary, temporary.open("wb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
        if file.tell() != member.size:
            raise EOFError(f"{member.name} breaks off")
