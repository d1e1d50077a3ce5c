"""The place where items run: processes of this machine, a local Dask cluster, or an existing Dask cluster.

The cluster is made, or met, by prefect-dask's DaskTaskRunner (extra `dask`).
"""

import importlib.util
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from flows.wiring.form import ITEMS_ON
from tasks.artifacts.map_items import elsewhere
from tasks.artifacts.on_dask import dask_items
from tasks.artifacts.processes import num_workers
from tasks.config import RunOptions

PROCESSES, LOCAL_CLUSTER = "processes", "dask"


def check_items_on(where: str) -> None:
    """Raise ValueError for an unknown place, or when its packages are not installed."""
    if not re.fullmatch(ITEMS_ON, where):
        raise ValueError(
            f"--items-on {where!r}: choose processes, dask, or the address of a scheduler: tcp://host:8786."
        )
    if where != PROCESSES and importlib.util.find_spec("prefect_dask") is None:
        raise ValueError(f'--items-on {where} needs the extra: pip install -e ".[dask]".')


@contextmanager
def items_on(options: RunOptions) -> Iterator[None]:
    """Let map_items use the place of the options inside the `with` block."""
    check_items_on(options.items_on)
    if options.items_on == PROCESSES:
        yield
        return
    from prefect_dask import DaskTaskRunner

    # Its processes begin with `python -c`, which looks for modules in the current folder first unless told not to.
    os.environ["PYTHONSAFEPATH"] = "1"
    logging.getLogger("distributed").setLevel(logging.ERROR)
    given: dict[str, Any] = {"address": options.items_on}
    if options.items_on == LOCAL_CLUSTER:
        given = {"cluster_kwargs": local_cluster(options)}
    with DaskTaskRunner(**given) as runner:
        token = elsewhere.set(partial(dask_items, runner.client))
        try:
            yield
        finally:
            elsewhere.reset(token)


def local_cluster(options: RunOptions) -> dict[str, Any]:
    """Return the arguments of a cluster of this machine: one item a worker, on loopback, for nobody but this run."""
    return {
        "n_workers": num_workers(options.workers),
        "threads_per_worker": 1,
        "memory_limit": None,  # a worker passes its items on to a process that Dask does not measure
        "silence_logs": logging.CRITICAL,  # a worker that ends at the end says so with a traceback
        "dashboard_address": "127.0.0.1:0",
        "host": "127.0.0.1",
        "protocol": "tls",
        "security": True,  # certificates of this run alone: other users of the machine cannot send it code
    }
