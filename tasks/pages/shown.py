"""Facts about artifacts for pages: the number of their rows, their origin, and a few of their pairs."""

from collections.abc import Sequence

from evaluation.pages.page import FunnelStage, Provenance
from tasks.artifacts.artifact import Artifact, Record
from tasks.artifacts.keyed_hash import in_hash_order


def funnel_of(name: str, artifact: Artifact) -> FunnelStage:
    """Return the numbers of rows in a stage's manifest: in, kept, filtered, failed."""
    counts = artifact.manifest["counts"]
    return FunnelStage(
        stage=name,
        num_kept=counts["kept"],
        filtered=counts["filtered"],
        failed=counts["failed"],
        steps=artifact.manifest["funnel"],
    )


def provenance_of(artifact: Artifact) -> Provenance:
    """Return the origin of an artifact."""
    manifest = artifact.manifest
    return Provenance(
        artifact=f"{artifact.path.parent.name}/{artifact.path.name}",
        key=manifest["key"],
        digest=manifest["digest"],
        commit=manifest["commit"] or "unknown",
    )


def gallery_rows(rows: Sequence[Record], num_rows: int) -> list[Record]:
    """Choose rows to show: one per verb in turn, in the order of a hash of their ids."""
    by_verb: dict[str, list[Record]] = {}
    by_id = {row["segment_id"]: row for row in rows}
    for segment_id in in_hash_order(1, by_id):
        by_verb.setdefault(by_id[segment_id]["verb"], []).append(by_id[segment_id])
    verbs = sorted(by_verb, key=lambda verb: (-len(by_verb[verb]), verb))
    turns = max(map(len, by_verb.values()), default=0)
    return [by_verb[verb][turn] for turn in range(turns) for verb in verbs if turn < len(by_verb[verb])][:num_rows]
