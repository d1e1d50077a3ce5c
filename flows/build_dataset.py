"""Annotations + videos -> segments -> frame pairs -> splits -> shards."""

from prefect import flow

from flows.wiring.request import Request
from flows.wiring.running import run_stages
from flows.wiring.shown import run_name


@flow(name="build_dataset", flow_run_name=run_name, result_serializer="json")
def build_dataset(request: Request, allow_failed: bool = False) -> str:
    """Build the training and test shards; return their folder."""
    return run_stages(request, last="shards", allow_failed=allow_failed)
