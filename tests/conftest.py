"""What tests share: the place of real clips and annotations, and one Prefect server for the tests that need one."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# One thread of arithmetic, here and in the processes that tests start: results do not depend on the number of cores.
os.environ["OMP_NUM_THREADS"] = "1"
# Processes that tests start can import the project and tests/support from any folder.
os.environ["PYTHONPATH"] = str(ROOT)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real clips and annotations, which are not part of the project."""
    folder = Path(os.environ.get("EDITACTION_REAL_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real clips and annotations at {folder}; EDITACTION_REAL_DATA names their folder")
    return folder


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of the API of a Prefect server that lives as long as the tests."""
    from flows.commands.server import prefect_server, set_environment

    home = tmp_path_factory.mktemp("prefect")
    set_environment()
    with prefect_server(home) as url:
        yield url
