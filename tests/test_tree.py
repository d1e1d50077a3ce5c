"""The tree at the end of README.md is the tree on the disk: each stage, room and file of a layer, with one phrase."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("flows", "tasks", "evaluation", "modeling")
LINE = re.compile(r"(?P<indent> *)(?P<name>[\w.]+/?) +(?P<phrase>\S.*)")


def told() -> dict[str, str]:
    """Return path -> phrase of every line of README's tree that is about a layer."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = text[text.index("## Where things are") :].split("```")[1]
    lines, layer = {}, ""
    for line in tree.splitlines():
        parts = LINE.fullmatch(line)
        if parts is None:
            continue
        if not parts["indent"]:
            layer = parts["name"]
        lines[parts["name"] if not parts["indent"] else layer + parts["name"]] = parts["phrase"]
    return {path: phrase for path, phrase in lines.items() if path.split("/")[0] in LAYERS}


def on_disk() -> set[str]:
    """Return the layers, and the files and folders in them."""
    paths = {f"{layer}/" for layer in LAYERS}
    for layer in LAYERS:
        for path in (ROOT / layer).iterdir():
            if path.is_dir() and path.name != "__pycache__" and any(path.iterdir()):
                paths.add(f"{layer}/{path.name}/")
            elif path.suffix == ".py" and path.name != "__init__.py":
                paths.add(f"{layer}/{path.name}")
    return paths


def test_the_tree_in_the_readme_is_the_tree_on_the_disk() -> None:
    tree = set(told())
    assert sorted(on_disk() - tree) == [], "add a line with one phrase to the tree in README.md"
    assert sorted(tree - on_disk()) == [], "these are told in README.md and are not there"


def test_every_line_of_the_tree_has_a_phrase_that_fits_a_line() -> None:
    assert {path: phrase for path, phrase in told().items() if not 3 <= len(phrase) <= 100} == {}
