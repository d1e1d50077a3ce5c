"""Segments + the kitchen's goals -> the goal of each segment, so that the oracle can judge its edit."""

from collections import defaultdict
from collections.abc import Sequence

from tasks.artifacts.artifact import Record

GOAL_TOLERANCE_S = 0.03
"""Largest distance of a segment's start from its goal's, in seconds: less than one frame at 25 per second."""


def join_goals(rows: Sequence[Record], goals: Sequence[Record]) -> dict[str, Record]:
    """Return the goal of each segment: the nearest of its video that starts within GOAL_TOLERANCE_S."""
    by_video: dict[str, list[Record]] = defaultdict(list)
    for goal in goals:
        by_video[goal["video_id"]].append(goal)
    joined = {}
    for row in rows:
        near = sorted(by_video[row["video_id"]], key=lambda goal: abs(goal["start_s"] - row["start_s"]))
        if near and abs(near[0]["start_s"] - row["start_s"]) <= GOAL_TOLERANCE_S:
            joined[row["segment_id"]] = near[0]
    return joined
