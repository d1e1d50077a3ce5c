"""The entry point prints one line instead of a traceback on Windows, and where another package hides one of ours."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from flows.commands.entry import PACKAGES

ROOT = Path(__file__).resolve().parents[2]


def run_entry(before: str = "", *, first: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run `editaction --help` by its entry point in a fresh process, after the statement `before`."""
    code = f"import sys; sys.argv = ['editaction', '--help']; {before}\nfrom flows.commands.entry import main\nmain()"
    path = os.pathsep.join(map(str, [first, ROOT] if first else [ROOT]))
    return subprocess.run(
        [sys.executable, "-P", "-c", code], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )


def test_the_installed_command_goes_through_the_checks() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["scripts"] == {"editaction": "flows.commands.entry:main"}
    shown = run_entry()
    assert shown.returncode == 0
    assert "Learn image edits from videos of actions" in shown.stdout


def test_windows_is_refused_in_one_line() -> None:
    refused = run_entry("sys.platform = 'win32'")
    assert refused.returncode == 1
    assert refused.stdout == ""
    assert refused.stderr.splitlines() == [
        "editaction: EditAction does not run on Windows. Use Linux, or the Windows Subsystem for Linux (WSL)."
    ]


@pytest.mark.parametrize("name", [name for name in PACKAGES if name != "flows"])
def test_a_package_of_the_same_name_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise SystemExit('ran')")
    refused = run_entry(first=tmp_path)
    assert refused.returncode == 1
    (line,) = refused.stderr.splitlines()
    assert f"The package {name!r}" in line
    assert str(tmp_path / name) in line
