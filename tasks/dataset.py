"""segments (and videos, frames, splits where they exist) -> `dataset.html` and `statistics.json` about the data.

The segments alone are enough, before any video exists. Records: one per rule of the appendix's statistics.
"""

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from evaluation.pages.dataset_charts import Bars, Histogram
from evaluation.pages.dataset_page import DatasetPage, Tile, render_dataset
from evaluation.pages.page import ShownEdit, ShownPair
from evaluation.paper import DATASETS, DatasetFigures
from modeling.atomic import write_bytes, write_json
from modeling.data.images import read_image
from tasks.artifacts.artifact import Artifact, Record
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import DatasetConfig
from tasks.cutting.quality import QUALITY
from tasks.pages.dataset_statistics import statistics_of
from tasks.pages.dataset_tables import leakage_table, rules_of, splits_table
from tasks.pages.shown import funnel_of, gallery_rows, provenance_of
from tasks.splitting.leakage import LEAKAGE

PAGE = "dataset.html"
STATISTICS = "statistics.json"
NUM_BARS = 20
"""Number of verbs, objects and places in the charts."""
STEP_NAMES = {
    "rows": "annotation rows",
    "in_subset": "in the chosen subset",
    "distinct": "distinct segments",
    "with_text": "with an instruction",
    "with_object": "with an object",
    "with_times": "with usable times",
    "with_video": "whose video is there",
    "with_frames": "cut into pairs",
    "of_good_quality": "within the quality limits",
    "in_splits": "in a split",
}
"""Steps of the stages' funnels in the chart, in order, with their labels."""

Json = dict[str, Any]


def steps_of(stages: Mapping[str, Artifact], num_train: int | None) -> Bars:
    """Return the number of rows after each step from the annotations to training."""
    merged: dict[str, int] = {}
    for artifact in stages.values():
        merged |= artifact.manifest["funnel"]
    rows = [(STEP_NAMES[name], merged[name]) for name in STEP_NAMES if name in merged]
    if num_train is not None:
        rows.append(("trained on", num_train))
    return Bars(title="What is left after each step", note="", rows=rows)


def tiles_of(statistics: Json, counted: str, paper: DatasetFigures | None) -> list[Tile]:
    """Return the headline numbers, with the paper's beside them."""
    spread = statistics["durations_s"]
    tiles = [
        Tile(name=counted, value=f"{statistics['num']:,}", detail=f"paper: {paper.num_pairs:,}" if paper else ""),
        Tile(
            name="actions",
            value=f"{statistics['num_actions']:,}",
            detail="first words" + (f"; paper: {paper.num_actions:,}" if paper else ""),
        ),
        Tile(name="videos", value=f"{statistics['num_videos']:,}"),
        Tile(name="participants or groups", value=f"{statistics['num_participants']:,}"),
    ]
    if spread:
        share = 100 * statistics["num_overlapping"] / statistics["num"]
        tiles += [
            Tile(
                name="median duration",
                value=f"{spread['median']:.2f} s",
                detail=f"{spread['min']:g} to {spread['max']:g} s; {spread['num_under_1_s']:,} below 1 s",
            ),
            Tile(name="hours of action", value=f"{spread['sum'] / 3600:.2f}"),
            Tile(name="overlap another", value=f"{share:.1f} %", detail="segments of the same video"),
        ]
    return tiles


def bars_of(statistics: Json) -> list[Bars]:
    """Return verbs, objects and end points by frequency."""
    titles = {"verbs": "Verbs", "objects": "Objects", "end_points": "End points"}
    return [
        Bars(
            title=title,
            note=f"{statistics['num_distinct'][name]:,} distinct.",
            rows=[(str(word), int(count)) for word, count in statistics[name][:NUM_BARS]],
            num_others=max(0, statistics["num_distinct"][name] - NUM_BARS),
            total=statistics["num"],
        )
        for name, title in titles.items()
        if statistics[name]
    ]


def warnings_of(segments: Artifact, frames: Artifact | None, splits: Artifact | None) -> list[str]:
    """Return the warnings about the data."""
    warnings = list(segments.manifest["facts"].get("warnings", []))
    warnings += frames.manifest["facts"].get("warnings", []) if frames is not None else []
    if splits is not None and splits.manifest["facts"]["method"] == "paper":
        for split, shared in splits.manifest["facts"]["leakage"].items():
            if split.startswith("test") and shared["num_videos_shared"]:
                warnings.append(
                    f"{shared['pairs_of_shared_videos']:,} of the {shared['num_pairs']:,} pairs of {split} come from "
                    "videos that are trained on too, as in the paper. splits.method=video-disjoint or "
                    "participant-disjoint holds whole videos or participants out."
                )
    return warnings


def shown_pairs(frames: Artifact, num: int) -> list[ShownPair]:
    """Return a few pairs, one verb after another."""
    return [
        ShownPair(
            instruction=row["instruction"],
            pictures=[
                ShownEdit(name=name, picture=read_image(frames.file(row[f"{column}_image"])))
                for name, column in (("first frame", "source"), ("last frame", "edited"))
            ],
        )
        for row in gallery_rows(list(frames.records()), num)
    ]


def quality_histograms(rows: Sequence[Record]) -> list[Histogram]:
    """Return the distribution of each quality column."""
    if not rows:
        return []
    return [
        Histogram(
            title=name.replace("_", " ").capitalize(),
            note=f"{meaning}.",
            values=[row.get(name, math.nan) for row in rows],
        )
        for name, meaning in QUALITY.items()
    ]


def histograms_of(rows: Sequence[Record], counted: str) -> list[Histogram]:
    """Return the distributions that need only annotations."""
    if not rows:
        return []
    durations = [row["stop_s"] - row["start_s"] for row in rows]
    by_video = Counter(row["video_id"] for row in rows)
    return [
        Histogram(title="Durations", note="Seconds, on a logarithmic axis.", values=durations, log_scale=True),
        Histogram(
            title=f"{counted.capitalize()} of a video",
            note="Number of videos by their number of rows.",
            values=list(by_video.values()),
            low=0,
        ),
    ]


def summary_of(statistics: Json, counted: str, segments: Artifact) -> str:
    """Describe the data in one or two sentences."""
    reader = segments.manifest["config"]["reader"]
    kinds = {
        "epic": "EPIC-KITCHENS-100",
        "mpii": "MPII Cooking 2",
        "table": "a table of actions",
        "lerobot": "a LeRobot data set",
        "pairs": "a list of pairs",
    }
    text = f"{statistics['num']:,} {counted} of {statistics['num_videos']:,} videos"
    text += f", annotated in the format of {kinds[reader]}."
    if counted == "segments":
        text += " No pictures are cut yet, so this page knows annotations only."
    return text


@stage
def dataset(
    work: Work,
    config: DatasetConfig,
    *,
    segments: Artifact,
    videos: Artifact | None = None,
    frames: Artifact | None = None,
    splits: Artifact | None = None,
) -> None:
    """Count, and write the page."""
    work.progress(0, 1)
    known = {"segments": segments, "videos": videos, "frames": frames, "splits": splits}
    stages = {name: artifact for name, artifact in known.items() if artifact is not None}
    paper = DATASETS[config.paper] if config.paper is not None else None
    counted = "segments" if frames is None else "pairs"
    rows = list((frames or segments).records())
    num_segments = segments.manifest["counts"]["kept"]
    statistics = statistics_of(rows, segments.manifest["facts"], num_segments, paper)
    write_json(work.path / STATISTICS, {"counted": counted} | statistics)
    sizes = Counter(record["split"] for record in splits.records()) if splits is not None else None
    leakage = json.loads((splits.path / LEAKAGE).read_text(encoding="utf-8")) if splits is not None else {}
    page = DatasetPage(
        title=config.title,
        summary=summary_of(statistics, counted, segments),
        warnings=warnings_of(segments, frames, splits),
        tiles=tiles_of(statistics, counted, paper),
        gallery=shown_pairs(frames, config.num_shown_pairs) if frames is not None else [],
        rules=rules_of(statistics, paper),
        histograms=histograms_of(rows, counted),
        bars=bars_of(statistics),
        steps=steps_of(stages, sizes["train"] if sizes is not None else None),
        funnel=[funnel_of(name, artifact) for name, artifact in stages.items()],
        splits=splits_table(splits, {row["segment_id"]: row for row in rows}) if splits is not None else None,
        leakage=leakage_table(leakage),
        quality=quality_histograms(rows) if frames is not None else [],
        provenance=[provenance_of(artifact) for artifact in stages.values()],
    )
    write_bytes(work.path / PAGE, render_dataset(page).encode())
    work.write_rows(statistics["rules"])
    work.progress(1, 1)
