"""Files in a workspace or in the current folder are data: no module and no setting is loaded from there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.artifacts.own_folder import empty_folder, own_folder
from tasks.artifacts.processes import spawn
from tests.support.clips import X264, encode
from tests.support.commands import environment

AS_INSTALLED = "import sys; sys.path[:] = [folder for folder in sys.path if folder]\n"
"""`python -c` looks into the current folder; the installed command does not."""

LOGGING = """version: 1
disable_existing_loggers: false
handlers:
  evil: {"()": "pathlib.Path.touch", "self": "CODE_RAN"}
root: {level: INFO, handlers: [evil]}
"""
MODULES = ("uvloop", "uvicorn", "prefect", "multiprocessing", "torch", "wandb", "sitecustomize")


def write_evil_folder(folder: Path) -> None:
    """Write modules, settings and a logging file. Each writes CODE_RAN when something loads it."""
    for name in MODULES:
        (folder / f"{name}.py").write_text(f"open({str(folder / 'CODE_RAN')!r}, 'w').close()\n")
    (folder / "evil.yml").write_text(LOGGING)
    (folder / ".env").write_text("PREFECT_LOGGING_SETTINGS_PATH=evil.yml\nPREFECT_LOGGING_CONFIG_PATH=evil.yml\n")
    (folder / "prefect.toml").write_text('profiles_path = "profiles.toml"\n[logging]\nsettings_path = "evil.yml"\n')
    (folder / "pyproject.toml").write_text('[tool.prefect.logging]\nsettings_path = "evil.yml"\n')
    (folder / "profiles.toml").write_text(
        'active = "evil"\n[profiles.evil]\nPREFECT_LOGGING_SETTINGS_PATH = "evil.yml"\n'
    )


def python(code: str, *arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    """Run Python code in a folder, without a Prefect server or a Prefect setting in the environment."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=environment(None), capture_output=True, text=True, timeout=300)


@pytest.mark.slow
def test_a_run_takes_no_code_and_no_setting_from_its_workspace_or_the_current_folder(tmp_path: Path) -> None:
    write_evil_folder(tmp_path)
    home = tmp_path / "w" / ".prefect"
    home.mkdir(parents=True)
    write_evil_folder(home)
    (home / "logging.yml").write_text(LOGGING)
    (tmp_path / "v").mkdir()
    encode(tmp_path / "v" / "clip.mp4", [*X264, "keyint=20"], num_frames=30)
    (tmp_path / "actions.csv").write_text("video,start_s,stop_s,instruction\nclip,0.1,0.5,open door\n")
    arguments = ["run", "--preset", "table", "--annotations", "actions.csv", "--videos", "v", "--until", "frames"]
    arguments += ["--workspace", "w", "--set", "frames.size_px=32", "--workers", "1"]
    done = python(AS_INSTALLED + "from flows.commands.cli import main; main()", *arguments, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.rglob("CODE_RAN"))
    assert not list(home.rglob("prefect.db"))


def test_prefect_takes_no_setting_from_the_current_folder(tmp_path: Path) -> None:
    write_evil_folder(tmp_path)
    code = (
        "from flows.commands.prefect_apart import import_prefect\nimport_prefect()\n"
        "from prefect.settings import Settings\nprint(Settings().logging.config_path)"
    )
    done = python(AS_INSTALLED + code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "evil" not in done.stdout


def test_a_child_process_works_in_an_empty_folder_and_imports_nothing_from_where_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wave.py").write_text("raise SystemExit('imported from the current folder')\n")
    monkeypatch.chdir(tmp_path)
    code = "import os, sys, wave; print(os.getcwd(), sys.flags.safe_path)"
    child = spawn([sys.executable, "-c", code], stdout=subprocess.PIPE)
    out, _ = child.communicate(timeout=20)
    assert out.split() == [str(empty_folder()), "True"]


def test_a_folder_of_ones_own_is_refused_where_it_is_a_link_and_is_closed_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    folder = own_folder("prefect", "abc")
    assert folder == tmp_path / "editaction" / "prefect" / "abc"
    assert os.stat(folder).st_mode & 0o077 == 0
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "editaction" / "prefect" / "linked").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="linked is a link"):
        own_folder("prefect", "linked")
    (empty_folder() / "sitecustomize.py").write_text("")
    with pytest.raises(ValueError, match="has to be empty"):
        empty_folder()


@pytest.mark.parametrize("module", ["tasks.video.drawn_film", "tasks.cutting.remote_pairs", "tasks.cutting.clips"])
def test_what_worker_processes_import_is_nothing_of_prefect(module: str) -> None:
    """Prefect reads `prefect.toml` and `.env` of the current folder when it is imported."""
    code = f"import sys, {module}\nassert not any(name.split('.')[0] == 'prefect' for name in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(None), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
