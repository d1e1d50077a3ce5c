"""A flow run from the command line: a workspace that can be written, a Prefect server, and bars for the stages."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.commands.screen import console, styled
from flows.commands.terminal import StageBars


@contextmanager
def watched(workspace: Path) -> Iterator[None]:
    """Let flows run inside; import them there too, once the server is up. ValueError where nothing can be written."""
    from flows.commands.server import home_of, prefect_server

    make_workspace(workspace)
    with prefect_server(home_of(workspace), on_wait=lambda text: console.print(styled((f"{text} ...", "dim")))):
        from tasks.artifacts.building import watching

        with StageBars(console) as bars:
            watching.set(bars)
            yield


def make_workspace(workspace: Path) -> None:
    """Make the folder, unless it is there, and try whether it can be written."""
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        descriptor, probe = tempfile.mkstemp(prefix=".writable-", dir=workspace)  # no link that waits there is followed
        os.close(descriptor)
        os.unlink(probe)
    except OSError as error:
        raise ValueError(
            f"The workspace {workspace} cannot be written ({error.strerror}). Name another with --workspace DIR."
        ) from error
