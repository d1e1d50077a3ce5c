"""Items on the workers of a Dask cluster, with the same rules as for local processes (map_items.py).

A Dask worker passes each item on to a separate process, so a crash, a stopped process or a time limit ends that process
and not the worker. Files go through the workspace, which has the same path on all machines of the cluster.
"""

import multiprocessing
import pickle
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from tasks.artifacts.map_items import KILLED, Failure, Pool

Item = TypeVar("Item")
Result = TypeVar("Result")

_kept = threading.local()
"""On a worker: the process that works for this thread, as (pickled function, pool)."""


class NobodyWaits(Exception):
    """The client of an item is gone, or has cancelled it."""


def dask_items(
    client: Any, function: Callable[[Item], Result], items: Sequence[Item], limit_s: float
) -> Iterator[tuple[Item, Result | Failure]]:
    """Yield each item with its result or failure, as they are finished; begun in the order given.

    `client`: a `distributed.Client`. OSError when the cluster is gone; errors that no item causes are raised.
    """
    from distributed import as_completed

    name = secrets.token_hex(6)
    waiting = {
        client.submit(
            work_on_worker, function, item, limit_s, key=f"item-{name}-{place}", priority=-place, pure=False, retries=0
        ): item
        for place, item in enumerate(items)
    }
    futures = list(waiting)
    try:
        for future in as_completed(futures, loop=client.loop):
            yield waiting.pop(future), _outcome(future)
    finally:
        client.cancel(futures)


def _outcome(future: Any) -> Any:
    from distributed import KilledWorker

    if future.status == "finished":
        return future.result()
    if future.status != "error":
        raise OSError(f"The Dask cluster has lost its items ({future.status}): is its scheduler still there?")
    error = future.exception()
    if isinstance(error, KilledWorker):
        return Failure(KILLED, "the workers of Dask that had it died, perhaps out of memory", transient=True)
    raise error


def work_on_worker(function: Callable[[Any], Any], item: Any, limit_s: float) -> Any:
    """Return an item's result or Failure; runs on a worker of Dask."""
    # Dask starts its workers as daemons, which Python lets have no children; ours die with the worker by themselves.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    pool = _pool_for(function)
    pool.limit_s = limit_s
    is_wanted = _asker()
    try:
        return pool.one(item, is_wanted)
    except BaseException:
        pool.end()
        _kept.pool = None
        raise


def _pool_for(function: Callable[[Any], Any]) -> "Pool[Any, Any]":
    """Return this thread's pool of one process, which is kept as long as the function stays the same."""
    known = getattr(_kept, "pool", None)
    content = pickle.dumps(function)
    if known is None or known[0] != content:
        if known is not None:
            known[1].end()
        known = _kept.pool = content, Pool(function, float("inf"), daemon=True)
    return known[1]


def _asker() -> Callable[[], None]:
    """Return a function that raises NobodyWaits when the task of this thread was cancelled, or its client is gone."""
    from distributed import get_worker
    from distributed.worker import thread_state

    worker, key = get_worker(), thread_state.key

    def check() -> None:
        task = worker.state.tasks.get(key)
        if task is None or task.state not in ("executing", "long-running"):
            raise NobodyWaits(key)

    return check
