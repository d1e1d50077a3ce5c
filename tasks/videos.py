"""segments + a folder of videos -> which file each needed video is. No video is copied or opened."""

from tasks.artifacts import Artifact, Outside, Work
from tasks.config import VideosConfig
from tasks.stage import stage
from tasks.video_files import VideoFolder, describe_video, located


@stage
def videos(work: Work, config: VideosConfig, *, segments: Artifact, folder: Outside) -> None:
    """Find the videos that the segments need; the missing ones fail."""
    listed = VideoFolder(located(folder.location, work.path))
    video_ids = sorted({segment["video_id"] for segment in segments.records()})
    described = []
    for done, video_id in enumerate(video_ids, start=1):
        described.append(describe_video(listed, video_id))
        work.progress(done, len(video_ids))
    kept = [record for record in described if "status" not in record]
    work.funnel = {"videos": len(described), "found": len(kept)}
    work.write_rows(kept, [record for record in described if "status" in record])
