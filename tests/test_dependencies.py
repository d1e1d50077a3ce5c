"""The project uses each package that it declares: the product imports it, or a reason says why it is only bounded."""

import ast
import re
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("flows", "tasks", "modeling", "evaluation")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ONLY_BOUNDED = {
    "fastapi": "Prefect's server breaks with newer ones",
    "sqlalchemy": "Prefect's schedules never fire with newer ones",
}
"""Packages that come with Prefect; they are declared only for an upper bound."""


def name_of(requirement: str) -> str:
    """Return the normalised name of a requirement: "Foo_Bar[x]>=1" -> "foo-bar"."""
    match = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert match, requirement
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def product_imports() -> dict[str, set[str]]:
    """Return top-level module -> the product's files that import it."""
    places: dict[str, set[str]] = {}
    for layer in PRODUCT:
        for path in (ROOT / layer).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                for name in names:
                    places.setdefault(name.split(".")[0], set()).add(path.relative_to(ROOT).as_posix())
    return places


IMPORTS = product_imports()


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_the_product_imports_each_package_that_it_declares(requirement: str) -> None:
    name = name_of(requirement)
    if name in ONLY_BOUNDED:
        assert "<" in requirement, f"{name} is declared for its bound: {ONLY_BOUNDED[name]}"
        return
    modules = {
        module
        for module, distributions in packages_distributions().items()
        if name in {name_of(distribution) for distribution in distributions}
    }
    assert modules & IMPORTS.keys(), f"{name} gives {sorted(modules)}, and no file of {', '.join(PRODUCT)} imports one"


def test_each_declared_package_says_in_its_line_what_it_is_for() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if re.match(r'\s+"[A-Za-z].*"[,]', line) and "=" in line]
    without = [line.strip() for line in lines if re.search(r'"[\w\[\]-]+[<>=]', line) and "#" not in line]
    assert not without


@pytest.mark.parametrize(
    "name", ["prefect", "torch", "diffusers", "transformers", "pandas", "pyarrow", "webdataset", "ffmpeg"]
)
def test_what_the_projects_purpose_fixes_is_used_in_the_product(name: str) -> None:
    assert IMPORTS.get(name), f"no product file imports {name}"
