"""The surroundings of a flow run from the command line: a writable workspace, a Prefect server, and bars for the
stages.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flows.commands.screen import console, styled
from flows.commands.terminal import StageBars


@contextmanager
def watched(workspace: Path) -> Iterator[None]:
    """Run flows inside the `with` block, and import them there, when the server is ready. ValueError when nothing can
    be written.
    """
    from flows.commands.server import home_of, prefect_server

    make_workspace(workspace)
    with prefect_server(home_of(workspace), on_wait=lambda text: console.print(styled((f"{text} ...", "dim")))):
        from tasks.artifacts.building import watching

        with StageBars(console) as bars:
            watching.set(bars)
            yield


def make_workspace(workspace: Path) -> None:
    """Make the folder, unless it exists, and test whether it can be written."""
    try:
        workspace.mkdir(parents=True, exist_ok=True)
        descriptor, probe = tempfile.mkstemp(prefix=".writable-", dir=workspace)  # an existing link is not followed
        os.close(descriptor)
        os.unlink(probe)
    except OSError as error:
        raise ValueError(
            f"The workspace {workspace} cannot be written ({error.strerror}). Name another with --workspace DIR."
        ) from error
