"""Editors + test shards -> edits -> scores -> report; missing inputs are made first."""

from prefect import flow

from flows.wiring.request import Request
from flows.wiring.running import run_stages
from flows.wiring.shown import run_name


@flow(name="evaluate", flow_run_name=run_name, result_serializer="json")
def evaluate(request: Request, allow_failed: bool = False) -> str:
    """Edit the test pictures, score the edits and write the report; return its folder."""
    return run_stages(request, last="report", allow_failed=allow_failed)
