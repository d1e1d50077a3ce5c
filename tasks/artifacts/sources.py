"""A stage's code -> one digest, so that a change of code can be reported. Sources are read; nothing is imported.

A stage's code is its file in tasks/ and everything that it can reach: modules that are imported anywhere in a file or
named by a string (such as the module of the training process), and data files that a string names beside a file or in a
folder above it (templates, style sheets, tables). The digest contains no paths, and an import counts by the content of
the imported file, so moving a file is no change.
"""

import ast
import hashlib
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tasks.artifacts.file_list import sha256_of

REPOSITORY = Path(__file__).resolve().parents[2]
PRODUCT = ("flows", "tasks", "evaluation", "modeling")
"""The folders whose files are the product's code."""
IMPORT = re.compile(
    rf"^[ \t]*(?:from[ \t]+(?:{'|'.join(PRODUCT)})\b[\w.]*[ \t]+import[ \t]+(?:\([^)]*\)|[^\n]*)"
    rf"|import[ \t][^\n]*\b(?:{'|'.join(PRODUCT)})\b[^\n]*)",
    re.MULTILINE,
)
"""Matches lines that look like an import of the product's modules, with a list in brackets over several lines."""
TEXT = re.compile(r"""["']([A-Za-z_][\w./:-]{2,80})["']""")
"""Matches a string in a source that can be the name of a module or a file."""


@dataclass(frozen=True)
class Import:
    """One statement that imports a file of the product."""

    file: Path
    names: tuple[str, ...]
    """The imported names; empty for the file itself."""


@dataclass(frozen=True)
class Source:
    """The parts of one Python file that matter here."""

    text: str
    """Lines of the file, without its imports of the product's files."""
    imports: tuple[Import, ...]
    texts: frozenset[str]
    """Strings that can be names of modules or files."""


@cache
def source_digest(stage: str) -> str:
    """Return the digest of a stage's code in this installation, computed once per process."""
    return digest_of_code(REPOSITORY, stage)


def digest_of_code(root: Path, stage: str) -> str:
    """Return the digest of a stage's code in the repository `root`: of the contents of its files, without paths."""
    digests = sorted(_file_digest(root, file) for file in files_of(root, stage))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def files_of(root: Path, stage: str) -> set[Path]:
    """Return the files of a stage's code: its file, all files that it can reach, and their packages."""
    reached: set[Path] = set()
    waiting = [root / "tasks" / f"{stage}.py"]
    while waiting:
        file = waiting.pop()
        if file in reached:
            continue
        reached.add(file)
        if file.suffix == ".py":
            waiting += _reached_from(root, file)
    return reached


def _reached_from(root: Path, file: Path) -> Iterator[Path]:
    source = _read(root, file)
    yield from (imported.file for imported in source.imports)
    folders = [folder for folder in file.parents if folder.is_relative_to(root) and folder != root]
    yield from (package for folder in folders if (package := folder / "__init__.py").is_file())
    for text in source.texts:
        module = _module_file(root, text.partition(":")[0]) if "." in text else None
        if module is not None:
            yield module
        for folder in folders:
            yield from _data_files(folder / text)


def _data_files(path: Path) -> Iterator[Path]:
    """Yield a data file, or the files of a folder that is no package; nothing when neither exists."""
    if path.is_file():
        yield path
    elif path.is_dir() and not (path / "__init__.py").is_file():
        yield from (file for file in path.rglob("*") if file.is_file() and file.suffix != ".pyc")


def _module_file(root: Path, name: str) -> Path | None:
    """Return the file of a product's module, or of the module that has an attribute of that dotted name."""
    parts = name.split(".")
    if parts[0] not in PRODUCT:
        return None
    for num_parts in (len(parts), len(parts) - 1):
        path = root.joinpath(*parts[:num_parts])
        for file in (path.with_name(path.name + ".py"), path / "__init__.py"):
            if num_parts and file.is_file():
                return file
    return None


def _file_digest(root: Path, file: Path) -> str:
    if file.suffix != ".py":
        return sha256_of(file)
    source = _read(root, file)
    imports = sorted(f"{_text_digest(root, imported.file)} {' '.join(imported.names)}" for imported in source.imports)
    return hashlib.sha256("\n".join([source.text, *imports]).encode()).hexdigest()


def _text_digest(root: Path, file: Path) -> str:
    return hashlib.sha256(_read(root, file).text.encode()).hexdigest()


def _read(root: Path, file: Path) -> Source:
    """Read a Python file; a second time only after it changed."""
    status = file.stat()
    return _parsed(root, file, status.st_mtime_ns, status.st_size)


@cache
def _parsed(root: Path, file: Path, mtime_ns: int, size: int) -> Source:
    text = file.read_text(encoding="utf-8")
    imports: list[Import] = []
    spans: list[tuple[int, int]] = []
    for statement, first, stop in _import_statements(text):
        of_statement = list(_imports_of(root, statement))
        if of_statement:
            imports += of_statement
            spans.append((first, stop))
    for first, stop in reversed(spans):
        text = text[:first] + text[stop:]
    rest = "\n".join(line for line in text.splitlines() if line.strip())
    return Source(text=rest, imports=tuple(imports), texts=frozenset(TEXT.findall(rest)))


def _import_statements(text: str) -> Iterator[tuple[ast.Import | ast.ImportFrom, int, int]]:
    """Yield the statements of a file that import the product's modules, each with its start and end position.

    Only lines that look like an import are parsed; parsing the whole file takes seven times as long. When such a line
    is no import (as in a text), or continues in a way that the pattern does not know, the whole file is parsed.
    """
    candidates = [(match_.start(), match_.end()) for match_ in IMPORT.finditer(text)]
    try:
        statements = [(ast.parse(text[first:stop].strip()).body[0], first, stop) for first, stop in candidates]
    except (SyntaxError, IndexError):
        statements = list(_parsed_imports(text))
    for statement, first, stop in statements:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            yield statement, first, stop


def _parsed_imports(text: str) -> Iterator[tuple[ast.stmt, int, int]]:
    """Yield every import of a file, found by parsing all of it."""
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    nodes = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Import | ast.ImportFrom)]
    for node in sorted(nodes, key=lambda node: node.lineno):
        yield node, starts[node.lineno - 1], starts[node.end_lineno or node.lineno]


def _imports_of(root: Path, statement: ast.Import | ast.ImportFrom) -> Iterator[Import]:
    """Yield the product's files that a statement imports; `from folder import file` imports the file."""
    if isinstance(statement, ast.Import):
        for alias in statement.names:
            file = _module_file(root, alias.name)
            if file is not None:
                yield Import(file, (alias.asname or "",))
        return
    if statement.level or statement.module is None:
        return
    package = _module_file(root, statement.module)
    attributes = []
    for alias in statement.names:
        module = root.joinpath(*statement.module.split("."), f"{alias.name}.py")
        if module.is_file():
            yield Import(module, (alias.asname or alias.name,))
        else:
            attributes.append(f"{alias.name} as {alias.asname}" if alias.asname else alias.name)
    if attributes and package is not None:
        yield Import(package, tuple(sorted(attributes)))


def code_commit() -> str | None:
    """Return the git commit of the code, with "+changes" when files differ from it; None outside a checkout."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(["git", "diff", "--quiet", "HEAD"], cwd=REPOSITORY, capture_output=True).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changed else "")
