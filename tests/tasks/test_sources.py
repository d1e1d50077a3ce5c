"""A stage's code is everything that it can reach, and nothing else; paths do not count."""

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.artifacts.sources import PRODUCT, REPOSITORY, digest_of_code, files_of
from tasks.stages import STAGES


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Copy the product's files, to be changed one at a time and restored; large weights are left out."""
    root = tmp_path_factory.mktemp("copy")
    for name in PRODUCT:
        ignored = shutil.ignore_patterns("__pycache__", "*.safetensors")
        shutil.copytree(REPOSITORY / name, root / name, ignore=ignored)
    return root


@pytest.fixture(scope="module")
def digests(copy: Path) -> dict[str, str]:
    """Each stage's digest before any change."""
    return {stage: digest_of_code(copy, stage) for stage in STAGES}


def imported(root: Path, file: Path) -> Iterator[Path]:
    """Yield the imports of a file, by a walk over all of its syntax."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = root / name.replace(".", "/")
            yield from (
                candidate for candidate in (path.with_suffix(".py"), path / "__init__.py") if candidate.is_file()
            )


def reachable(root: Path, stage: str) -> set[Path]:
    """Return the Python files that a stage's file imports, directly or not."""
    reached, waiting = set(), [root / "tasks" / f"{stage}.py"]
    while waiting:
        file = waiting.pop()
        if file not in reached:
            reached.add(file)
            waiting += imported(root, file)
    return reached


@pytest.mark.parametrize("stage", STAGES)
def test_a_change_of_any_file_that_a_stage_can_reach_is_reported(
    copy: Path, digests: dict[str, str], stage: str
) -> None:
    unseen = []
    for file in sorted(reachable(copy, stage)):
        content = file.read_bytes()
        file.write_bytes(content + b"\nCHANGED = True\n")
        if digest_of_code(copy, stage) == digests[stage]:
            unseen.append(str(file.relative_to(copy)))
        file.write_bytes(content)
    assert not unseen
    assert digest_of_code(copy, stage) == digests[stage]


@pytest.mark.parametrize(
    ("stage", "file"),
    [
        ("segments", "tasks/annotations/segment.py"),
        ("videos", "tasks/fetching/epic_videos.csv"),
        ("frames", "modeling/data/images.py"),
        ("splits", "tasks/splitting/assignment.py"),
        ("dataset", "evaluation/pages/templates/dataset.html.j2"),
        ("scores", "evaluation/classifier/timesformer.py"),
        ("editor", "modeling/train.py"),
        ("editor", "modeling/training/optimizers.py"),
        ("edits", "modeling/autoencoder.py"),
        ("report", "evaluation/pages/templates/report.css"),
        ("report", "evaluation/pages/templates/parts.html.j2"),
        ("told_apart", "modeling/objective/kindred_negatives.py"),
    ],
)
def test_files_that_lists_by_hand_forgot_and_data_files_count(
    copy: Path, digests: dict[str, str], stage: str, file: str
) -> None:
    """modeling/train.py is a process of its own that only a string names; so are templates and tables."""
    path = copy / file
    content = path.read_bytes()
    path.write_bytes(content + b"\n# changed\n")
    changed = digest_of_code(copy, stage) != digests[stage]
    path.write_bytes(content)
    assert changed


@pytest.mark.parametrize(
    ("stage", "file"),
    [("segments", "modeling/train.py"), ("frames", "evaluation/pages/page.py"), ("editor", "tasks/report.py")],
)
def test_a_file_that_a_stage_does_not_reach_does_not_count(stage: str, file: str) -> None:
    assert REPOSITORY / file not in files_of(REPOSITORY, stage)


def test_nothing_that_a_stage_imports_when_it_is_loaded_is_missing() -> None:
    """The reference is the interpreter itself: the modules that are really loaded with the file."""
    code = (
        "import importlib, sys\nimportlib.import_module('tasks.splits')\n"
        f"print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] in {PRODUCT!r} and m.__file__))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert {Path(name) for name in done.stdout.split()} <= files_of(REPOSITORY, "splits")


def write(root: Path, **files: str) -> None:
    """Write files, named by dotted names."""
    for name, text in files.items():
        path = root / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_moving_a_file_is_no_change_and_taking_a_name_from_elsewhere_is_one(tmp_path: Path) -> None:
    stage = '"""A stage."""\n\nfrom modeling.{place} import number\nfrom modeling.other import name\n\nprint(number)\n'
    write(tmp_path / "a", tasks__one=stage.format(place="here"), modeling__here="number = 1\n")
    write(tmp_path / "b", tasks__one=stage.format(place="far.there"), modeling__far__there="number = 1\n")
    for root in ("a", "b"):
        write(
            tmp_path / root,
            modeling__other="from modeling.third import number\nname = 2\n",
            modeling__third="number = 3\n",
        )
    before = digest_of_code(tmp_path / "a", "one")
    assert digest_of_code(tmp_path / "b", "one") == before
    write(tmp_path / "a", tasks__one=stage.format(place="third"))
    (tmp_path / "a" / "modeling" / "third.py").write_text("number = 3\n")
    assert digest_of_code(tmp_path / "a", "one") != before


def test_a_name_taken_from_another_file_of_the_same_code_is_a_change(tmp_path: Path) -> None:
    both = "import modeling.x\nimport modeling.y\n"
    write(tmp_path, modeling__x="f = 1\n", modeling__y="f = 2\n", tasks__one=f"{both}from modeling.x import f\n")
    before = digest_of_code(tmp_path, "one")
    write(tmp_path, tasks__one=f"{both}from modeling.y import f  # as long\n")
    assert digest_of_code(tmp_path, "one") != before


@pytest.mark.parametrize(
    "text",
    [
        "from modeling.x import f\n",
        "import modeling.x as other\n",
        "import os, modeling.x\n",
        "def later():\n    from modeling import x\n    return x\n",
        "from modeling.x import (\n    f,  # why (this)\n    g,\n)\n",
        "from modeling.x import \\\n    f\n",
        '"""Text.\n\nfrom modeling.x import is what a text may say\n"""\nfrom modeling.x import f\n',
        'NAME = "modeling.x"\n',
    ],
)
def test_an_import_is_seen_however_it_is_written(tmp_path: Path, text: str) -> None:
    write(tmp_path, tasks__one=text, modeling__x="f = g = 1\n")
    before = digest_of_code(tmp_path, "one")
    write(tmp_path, modeling__x="f = g = 2  # changed\n")
    assert digest_of_code(tmp_path, "one") != before


def test_all_stages_are_read_well_within_the_two_seconds_of_status() -> None:
    code = (
        "import time\nfrom tasks.artifacts.sources import source_digest\nfrom tasks.stages import STAGES\n"
        "began = time.process_time()\n[source_digest(stage) for stage in STAGES]\nprint(time.process_time() - began)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert float(done.stdout) < 0.6
