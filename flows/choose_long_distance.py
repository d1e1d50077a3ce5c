"""The dataset with a long-distance test set that a person chooses while the run waits.

The run builds the pairs, shows the candidates (a page in the workspace, a table in Prefect's artifacts), and pauses
until somebody resumes it with the chosen segments. After an invalid choice it asks again.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.flow_runs import pause_flow_run
from prefect.input import RunInput
from pydantic import Field

from flows.wiring.job import Job, make_job
from flows.wiring.outside_inputs import outside_file
from flows.wiring.request import Request
from flows.wiring.running import run_stages
from flows.wiring.shown import run_name
from modeling.atomic import write_bytes
from modeling.sheets import markdown_text
from tasks.artifacts.artifact import Artifact, Record, digest_of
from tasks.artifacts.inside import inside
from tasks.splits import poor_pairs, read_long_distance
from tasks.splitting.candidates import contact_sheet, find_candidates
from tasks.splitting.long_distance import Choice, choice_csv

WEEK_S = 7 * 24 * 3600
POLL_S = 3
"""Seconds between two checks for an answer."""
NUM_LISTED = 50
"""Number of candidates in Prefect's table; the page has more."""


class LongDistance(RunInput):
    """The answer of the person who chooses."""

    segment_ids: list[str] = Field(min_length=1, description="The chosen segments, without repeats.")
    chosen_by: str = Field(min_length=1, description="Who chooses, in your own words; it goes into the manifest.")


@flow(name="choose_long_distance", flow_run_name=run_name, result_serializer="json")
def choose_long_distance(request: Request, wait_s: int = WEEK_S, limit: int = 400) -> str:
    """Build the dataset up to the request's `until` (at most the shards), pausing for the choice; return the folder.

    `wait_s`: the run fails after this many seconds without an answer. `limit`: number of pairs on the page.
    """
    job = make_job(request)
    config = job.config.splits
    if not config.num_long_distance:
        raise ValueError("splits.num_long_distance is 0: say how many pairs shall be chosen.")
    # No automatic long-distance set: there may be none. The random test set is drawn in any case.
    first = replace(
        request, long_distance=None, until="splits", settings=request.settings | {"splits.num_long_distance": 0}
    )
    splits = Artifact.read(Path(run_stages(first, last="splits", allow_failed=True)))
    frames = Artifact.read(inside(job.workspace, splits.manifest["inputs"]["frames"].get("artifact")))
    candidates = find_candidates(frames, splits)
    page = job.workspace / "choices" / f"candidates-{frames.manifest['key'][:8]}.html"
    inside(job.workspace, "choices").mkdir(exist_ok=True)
    write_bytes(page, contact_sheet(frames, candidates, config.num_long_distance, limit).encode())
    text = told(candidates, config.num_long_distance, page)
    create_markdown_artifact(text, key="long-distance-candidates", description="Candidates for the long-distance set")
    chosen = _ask(text, job, frames, wait_s)
    return run_stages(replace(request, long_distance=str(chosen)), last="shards", allow_failed=False)


def told(candidates: Sequence[Record], num_wanted: int, page: Path) -> str:
    """Return the question in Markdown, with a table of the first candidates."""
    lines = [
        f"Choose {num_wanted} of {len(candidates)} candidates; all are shown on {markdown_text(page.resolve())}.",
        "",
    ]
    lines += ["| rank | segment | instruction | view moved |", "|---|---|---|---|"]
    for row in candidates[:NUM_LISTED]:
        segment_id, instruction = markdown_text(row["segment_id"]), markdown_text(row["instruction"])
        lines.append(f"| {row['rank']} | {segment_id} | {instruction} | {100 * row['camera_shift']:.0f} % |")
    return "\n".join(lines)


def _ask(text: str, job: Job, frames: Artifact, wait_s: int) -> Path:
    """Pause until somebody gives a valid choice; return the file that holds it."""
    rows = list(frames.records())
    poor = poor_pairs(rows, job.config.splits.quality)
    good = [row for row in rows if row["segment_id"] not in poor]
    problem = ""
    while True:
        asked = LongDistance.with_initial_data(description=f"{problem}\n\n{text}".strip())
        answer = pause_flow_run(wait_for_input=asked, timeout=wait_s, poll_interval=POLL_S)
        choice = Choice(
            segment_ids=tuple(answer.segment_ids), chosen_by=answer.chosen_by.strip(), how="answered to a paused run"
        )
        path = job.workspace / "choices" / f"long{len(choice.segment_ids)}-{digest_of(choice)[:8]}.csv"
        write_bytes(path, choice_csv(choice).encode())
        try:
            read_long_distance(outside_file(path), good, poor, job.config.splits.num_long_distance)
        except ValueError as error:
            problem = f"**That choice did not fit.** {error}"
            path.unlink()
        else:
            return path
