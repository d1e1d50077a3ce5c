"""The ffmpeg program for videos that PyAV does not read."""

import shutil


def ffmpeg_program() -> str:
    """Return the ffmpeg program: the system's, else the one that imageio-ffmpeg brings."""
    system = shutil.which("ffmpeg")
    if system is not None:
        return system
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())
