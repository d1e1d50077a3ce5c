"""The entry point of `editaction`: two checks before anything else is imported, then the command line.

The project's top-level packages have common names (flows, tasks, modeling, evaluation), because its users fixed them.
Another package of one of these names would be imported in place of ours, so each is looked for before it is used.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

PACKAGES = ("flows", "tasks", "modeling", "evaluation")
HOME = Path(__file__).resolve().parents[2]
"""Folder of our packages: the checkout, or site-packages."""


def why_not_here() -> str | None:
    """Return why EditAction cannot run on this machine, with the remedy; None where it can."""
    if sys.platform == "win32":
        return "EditAction does not run on Windows. Use Linux, or the Windows Subsystem for Linux (WSL)."
    for name in PACKAGES:
        spec = find_spec(name)
        places = [Path(place).resolve() for place in (spec.submodule_search_locations or [])] if spec else []
        if HOME / name not in places:
            other = places[0] if places else spec.origin if spec else "nothing"
            return (
                f"The package {name!r} of {HOME} is hidden by {other}. Install EditAction into a virtual environment "
                "of its own, and remove that folder from PYTHONPATH."
            )
    return None


def main() -> None:
    """Check the machine and the packages, then run the command line."""
    if why := why_not_here():
        print(f"editaction: {why}", file=sys.stderr)
        sys.exit(1)
    from flows.commands.cli import main as command_line

    command_line()
