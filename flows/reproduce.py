"""The whole main job in one flow run, one task run a stage: videos -> pairs -> editor -> edits -> scores -> report."""

from prefect import flow

from flows.wiring.request import Request
from flows.wiring.running import run_stages
from flows.wiring.shown import run_name


@flow(name="reproduce", flow_run_name=run_name, result_serializer="json")
def reproduce(request: Request) -> str:
    """Run the main job from videos to report, or up to the request's `until`; return the last stage's folder."""
    return run_stages(request, last="report", allow_failed=False)
