"""The house's rules that a machine can check: imports point one way, and importing does nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("modeling", "evaluation", "tasks", "flows")
"""Each may import itself and what stands before it."""
FILES = sorted(path for layer in LAYERS for path in (ROOT / layer).rglob("*.py"))


def imported_modules(path: Path) -> set[str]:
    """Return the modules that a file imports, wherever in the file."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            modules.add(node.module)
    return modules


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


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_file_opens_by_saying_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("command", [["--help"], ["status"], ["run", "--help"]])
def test_light_commands_import_neither_torch_nor_prefect(command: list[str], tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['editaction'] + sys.argv[1:]\nfrom flows.commands.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "print(sorted({'torch', 'prefect', 'diffusers', 'transformers', 'pandas'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.stderr.strip().endswith("[]"), done.stderr
