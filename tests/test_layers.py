"""The project's rules that a machine can check: imports point one way, and importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.stages import STAGES

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("modeling", "evaluation", "tasks", "flows")
"""Each layer may import itself and the layers before it."""
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Return the modules that a file imports, at any place in the file."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return modules


def imported_files(path: Path) -> set[Path]:
    """Return the project's files that a file imports, at any place in the file; `from folder import file` counts
    too.
    """
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    files = {ROOT / f"{name.replace('.', '/')}.py" for name in names}
    return {file for file in files if file.is_file()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_imports_only_its_own_layer_and_lower_ones(path: Path) -> None:
    layer = path.relative_to(ROOT).parts[0]
    forbidden = set(LAYERS[LAYERS.index(layer) + 1 :])
    assert not {module for module in imported_modules(path) if module.split(".")[0] in forbidden}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_prefect_appears_only_in_flows_and_in_the_one_task_file_that_meets_it(path: Path) -> None:
    uses_prefect = any(module.split(".")[0] == "prefect" for module in imported_modules(path))
    layer = path.relative_to(ROOT).parts[0]
    assert not uses_prefect or layer == "flows" or path == ROOT / "tasks" / "artifacts" / "stage.py"


IMPORTS = {path: imported_files(path) for path in FILES}
NO_STAGES = {"config.py", "stages.py", "__init__.py"}


def is_stage(path: Path) -> bool:
    """Tell whether a file is a stage: it lies in tasks/ itself, and it is not one that all stages share."""
    return path.parent == ROOT / "tasks" and path.name not in NO_STAGES


@pytest.mark.parametrize("path", [*filter(is_stage, FILES)], ids=lambda path: path.name)
def test_no_stage_file_imports_a_stage_file(path: Path) -> None:
    assert not [str(module) for module in IMPORTS[path] if is_stage(module)]


def test_every_stage_of_the_stage_graph_has_a_file_and_every_file_is_a_stage() -> None:
    assert {path.stem for path in FILES if is_stage(path)} == set(STAGES)


def test_no_file_imports_itself_by_way_of_others() -> None:
    """Imports inside functions and those for the type checker count, too."""
    waiting = dict(IMPORTS)
    while free := [path for path, needs in waiting.items() if not needs & waiting.keys()]:
        for path in free:
            del waiting[path]
    assert not sorted(str(path.relative_to(ROOT)) for path in waiting)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_opens_by_saying_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("command", [["--help"], ["status"], ["run", "--help"]])
def test_light_commands_import_neither_torch_nor_prefect(command: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['editaction'] + sys.argv[1:]\nfrom flows.commands.cli import main\n"
        "heavy = {'torch', 'prefect', 'diffusers', 'transformers', 'pandas', 'numpy'}\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip().endswith("[]"), done.stderr
