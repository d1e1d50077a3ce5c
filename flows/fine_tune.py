"""Shards + start -> the fine-tuned editor; the shards are built first where they are missing."""

from prefect import flow

from flows.wiring.request import Request
from flows.wiring.running import run_stages
from flows.wiring.shown import run_name


@flow(name="fine_tune", flow_run_name=run_name, result_serializer="json")
def fine_tune(request: Request, allow_failed: bool = False) -> str:
    """Fine-tune the start on the training shards, once for each of the request's methods; return the last's folder."""
    return run_stages(request, last="editor", allow_failed=allow_failed)
