"""edits + test shards + kitchen -> the oracle's verdict on every edit: carried out, kept.

The scores stage has the same verdicts, but needs the action classifier and all editors at once. This stage judges one
editor alone, so a comparison of many editors can take days and judge each once. It runs by --measure.
"""

from evaluation.kitchen.judge import judge
from modeling.data.images import read_image
from tasks.annotations.goals import join_goals
from tasks.artifacts.artifact import Artifact, read_records
from tasks.artifacts.stage import stage
from tasks.artifacts.work import Work
from tasks.config import VerdictsConfig


@stage
def verdicts(work: Work, config: VerdictsConfig, *, edits: Artifact, shards: Artifact, kitchen: Artifact) -> None:
    """Judge every edit; an edit without a known goal is listed as failed."""
    rows = list(edits.records())
    pairs = {row["segment_id"]: row for row in shards.records()}
    goals = join_goals([pairs[row["segment_id"]] for row in rows], list(read_records(kitchen.path / "goals.jsonl")))
    kept, rejected = [], []
    for done, row in enumerate(rows):
        work.progress(done, len(rows))
        pair = pairs[row["segment_id"]]
        record = {name: row[name] for name in ("segment_id", "split", "seed")}
        record |= {"verb": pair["verb"], "object": pair["object"]}
        goal = goals.get(row["segment_id"])
        if goal is None:
            rejected.append(record | {"status": "failed", "reason": "no_goal"})
            continue
        verdict = judge(goal, read_image(edits.file(row["image"])))
        kept.append(record | {"carried_out": verdict.carried_out, "kept": verdict.kept})
    work.funnel = {"edits": len(rows), "judged": len(kept)}
    work.write_rows(kept, rejected)
    work.progress(len(rows), len(rows))
