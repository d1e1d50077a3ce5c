"""Import Prefect without the settings in the current folder, and keep it from reading them later.

Prefect takes `prefect.toml`, `.env` and `[tool.prefect]` of `pyproject.toml` in the current folder as settings, and a
setting can name a logging file that calls any function. The current folder may hold somebody else's data, so only
the environment and the user's own profiles count.
"""

import os
from contextlib import chdir
from pathlib import Path
from typing import Any

from tasks.artifacts.own_folder import empty_folder, own_folder


def import_prefect() -> None:
    """Import Prefect in an empty folder; from now on its settings come only from the environment and the profiles."""
    if "PREFECT_HOME" not in os.environ:
        os.environ["PREFECT_HOME"] = str(own_folder("prefect", "default"))
    # Prefect also searches the current folder's files, unless the environment gives the place of the profiles.
    os.environ.setdefault("PREFECT_PROFILES_PATH", str(Path(os.environ["PREFECT_HOME"]) / "profiles.toml"))
    with chdir(empty_folder()):
        import prefect
        from prefect.settings import sources

        assert prefect.__version__
    # Settings are read again for every flow run, when the current folder is the user's again.
    sources.TomlConfigSettingsSourceBase._read_file = _nothing  # type: ignore[assignment, method-assign]
    sources.FilteredDotEnvSettingsSource._read_env_files = _nothing  # type: ignore[assignment, method-assign]


def _nothing(*_: object) -> dict[str, Any]:
    return {}
