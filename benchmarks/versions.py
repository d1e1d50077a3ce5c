"""The lowest and the highest Prefect that pyproject.toml allows -> does a server with a worker run our flows on each.

    nice python -m benchmarks.versions --environments DIR

For each end of the range a virtual environment is made in DIR: Prefect and what it needs are installed anew, everything
else (torch among it) is that of the Python that runs this. In each, tests/flows/test_deployment.py is run: a server,
all deployments, a worker, the whole main job twice, and a failed run that is retried.
"""

import argparse
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import sysconfig
import time
import tomllib
import venv
from pathlib import Path
from typing import Any

from benchmarks.recording import record

ROOT = Path(__file__).resolve().parents[1]
WITH_PREFECT = ("fastapi", "sqlalchemy[asyncio]")
"""Packages that Prefect brings and whose bounds are ours."""
TESTS = ("tests/flows/test_deployment.py",)
REPORT = """
import json, sys
from importlib.metadata import version
print(json.dumps({name: version(name) for name in ("prefect", "fastapi", "sqlalchemy", "pydantic", "click")}))
"""


def requirement(name: str) -> str:
    """Return the project's line about a package, such as prefect>=3.7,<3.9."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    [line] = [dependency for dependency in project["dependencies"] if dependency.startswith(name)]
    return str(line)


def numbers(version: str) -> tuple[int, ...]:
    """Return a version as numbers: "3.7.0" -> (3, 7, 0)."""
    return tuple(map(int, version.split(".")))


def ends(versions: list[str], allowed: str) -> tuple[str, str]:
    """Return the lowest and the highest of the released versions that a requirement allows.

    >>> ends(["3.9.0", "3.8.10", "3.8.9", "3.7.1", "3.7.0", "3.6.9", "3.8.0rc1"], "prefect>=3.7,<3.9")
    ('3.7.0', '3.8.10')
    """
    limits = re.fullmatch(r"prefect>=([\d.]+),<([\d.]+)", allowed)
    assert limits, allowed
    released = sorted((version for version in versions if re.fullmatch(r"\d+(\.\d+)*", version)), key=numbers)
    inside = [version for version in released if numbers(limits[1]) <= numbers(version) < numbers(limits[2])]
    return inside[0], inside[-1]


def known_versions() -> list[str]:
    """Return the versions of Prefect that pip's index has."""
    command = [sys.executable, "-m", "pip", "index", "versions", "prefect"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    [line] = [line for line in told.splitlines() if line.startswith("Available versions:")]
    return [part.strip() for part in line.partition(":")[2].split(",")]


def environment(folder: Path, version: str) -> Path:
    """Return the Python of an environment with this Prefect on top of our packages; make it unless it is there.

    Where the Python that runs this has this Prefect, that Python is used.
    """
    if importlib.metadata.version("prefect") == version:
        return Path(sys.executable)
    python = folder / version / "bin" / "python"
    base = folder / version / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    if not (base / "editaction-base.pth").is_file():
        venv.create(folder / version, with_pip=True, clear=True)
        install(python, folder / version / "constraints.txt", version)
        (base / "editaction-base.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def install(python: Path, constraints: Path, version: str) -> None:
    """Install one version of Prefect.

    Our constraints hold, except where that version needs another release of a package.
    """
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("prefect")]
    while True:
        constraints.write_text("\n".join(lines) + "\n")
        command = [str(python), "-m", "pip", "install", "-c", str(constraints), f"prefect=={version}"]
        done = subprocess.run([*command, *map(requirement, WITH_PREFECT)], capture_output=True, text=True)
        if done.returncode == 0:
            return
        refused = set(re.findall(r"requested \(constraint\) (\S+)", done.stdout + done.stderr))
        if not refused & set(lines):
            raise SystemExit(f"prefect {version} cannot be installed: {done.stderr[-2000:]}")
        print(f"not as constraints.txt has them: {', '.join(sorted(refused))}", flush=True)
        lines = [line for line in lines if line not in refused]


def tested(python: Path, folder: Path, chosen: str) -> dict[str, Any]:
    """Run the tests with an environment's Python; return versions, passed and failed tests, and the seconds."""
    packages = json.loads(
        subprocess.run([str(python), "-c", REPORT], check=True, capture_output=True, text=True).stdout
    )
    report = folder / f"{packages['prefect']}.xml"
    command = [
        str(python),
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        f"--junitxml={report}",
        "-k",
        chosen,
        *TESTS,
    ]
    began = time.monotonic()
    paths = {"PYTHONPATH": str(ROOT), "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=ROOT, env=os.environ | paths, capture_output=True, text=True)
    print(done.stdout[-2000:])
    cases = re.findall(r'<testcase [^>]*name="([^"]+)"[^>]*?(/>|>\s*<(\w+))', report.read_text(encoding="utf-8"))
    outcomes = {name: "passed" if kind in ("", "system-out", "system-err") else kind for name, _, kind in cases}
    return {"packages": packages, "tests": outcomes, "seconds": round(time.monotonic() - began, 1)}


def main() -> int:
    """Run the command line; status 1 where a test failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--environments", type=Path, required=True, help="folder of the two virtual environments")
    parser.add_argument("-k", dest="chosen", default="", help="only tests whose names fit, as pytest takes it")
    given = parser.parse_args()
    folder = given.environments.absolute()
    environments = {}
    for name, version in zip(("lowest", "highest"), ends(known_versions(), requirement("prefect")), strict=True):
        print(f"{name}: prefect {version}", flush=True)
        environments[name] = tested(environment(folder, version), folder, given.chosen)
        assert environments[name]["packages"]["prefect"] == version
    return int(not record_found(environments, given.chosen))


def record_found(environments: dict[str, Any], chosen: str) -> bool:
    """Record what was found at both ends; return whether all tests passed at both."""
    passed = {
        name: float(sum(outcome == "passed" for outcome in told["tests"].values()))
        for name, told in environments.items()
    }
    failed = {name: float(len(told["tests"])) - passed[name] for name, told in environments.items()}
    record(
        "versions",
        "Do server, worker, deployments, main job and retry work with the lowest and the highest Prefect allowed?",
        {f"{name}_passed": number for name, number in passed.items()}
        | {f"{name}_failed": number for name, number in failed.items()},
        allowed=requirement("prefect"),
        environments=environments,
        only=chosen or "all of the file",
    )
    return all(passed.values()) and not any(failed.values())


if __name__ == "__main__":
    sys.exit(main())
