"""The three in a row: build_dataset, fine_tune, evaluate."""

from prefect import flow

from flows.build_dataset import build_dataset
from flows.evaluate import evaluate
from flows.fine_tune import fine_tune
from flows.wiring.request import Request
from flows.wiring.running import goes_beyond, raise_for_failed_items


@flow(name="reproduce")
def reproduce(request: Request) -> str:
    """Run the main job from videos to report, or up to the request's `until`; return the last stage's folder."""
    path = build_dataset(request, allow_failed=True)
    if goes_beyond(request, "shards"):
        path = fine_tune(request, allow_failed=True)
    if goes_beyond(request, "editor"):
        path = evaluate(request, allow_failed=True)
    raise_for_failed_items(request)
    return str(path)
