"""The tree of artifacts in a workspace, with the funnel of every stage; read from manifests alone."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from flows.commands.screen import styled
from modeling.json_text import parse_json
from tasks.artifacts.artifact import BUILDING, ITEMS, Artifact, artifacts_of, damaged_files
from tasks.artifacts.sources import source_digest
from tasks.stages import STAGES


def describe_workspace(workspace: Path, *, full: bool = False) -> dict[str, Any]:
    """Return the workspace's artifacts as plain data, in the order of the stages, oldest first."""
    rows: list[dict[str, Any]] = []
    for stage in STAGES:
        rows += [describe_artifact(artifact, full=full) for artifact in artifacts_of(workspace, stage)]
        rows += [_describe_partial(path) for path in sorted((workspace / stage).glob("*.partial"))]
    return {"workspace": str(workspace), "artifacts": rows}


def describe_artifact(artifact: Artifact, *, full: bool = False) -> dict[str, Any]:
    """Return one artifact's state, funnel and counts as plain data. `full` compares every file's digest."""
    manifest = artifact.manifest
    damaged = damaged_files(artifact, full=full)
    state = "damaged" if damaged else "failed items" if artifact.num_failed else "done"
    counts = manifest["counts"]
    return {
        "stage": manifest["stage"],
        "label": manifest["label"],
        "state": state,
        "path": str(artifact.path),
        "key": manifest["key"],
        "funnel": manifest["funnel"],
        "input": counts["input"],
        "kept": counts["kept"],
        "filtered": counts["filtered"],
        "failed": counts["failed"],
        "damaged": damaged,
        "code_changed": manifest["source_digest"] != source_digest(manifest["stage"]),
        "facts": manifest["facts"],
        "seconds": manifest["seconds"],
        "finished_at": manifest["finished_at"],
    }


def _describe_partial(path: Path) -> dict[str, Any]:
    try:
        building = parse_json((path / BUILDING).read_bytes()) if (path / BUILDING).is_file() else {}
    except ValueError:
        building = {}
    building = building if isinstance(building, dict) else {}
    return {
        "stage": path.parent.name,
        "label": building.get("label", path.stem),
        "state": "partial",
        "path": str(path),
        "key": building.get("key", ""),
        "items_done": len(list((path / ITEMS).glob("*.json"))),
    }


def print_status(described: dict[str, Any], console: Console) -> None:
    """Print the tree for a person."""
    if not described["artifacts"]:
        console.print(f"Nothing in {described['workspace']} yet. `editaction demo` fills it.", highlight=False)
        return
    tree = Tree(styled((described["workspace"], "bold")))
    branches: dict[str, Tree] = {}
    for row in described["artifacts"]:
        if row["stage"] not in branches:
            branches[row["stage"]] = tree.add(styled((row["stage"], "bold")))
        leaf = branches[row["stage"]].add(_headline(row))
        for line in _lines(row):
            leaf.add(line)
    console.print(tree, highlight=False)


def _headline(row: dict[str, Any]) -> Text:
    name = Path(row["path"]).name
    if row["state"] == "partial":
        return styled(f"{name}  ", ("partial", "yellow"), f": {row['items_done']} items done")
    colour = {"done": "green", "failed items": "yellow", "damaged": "red"}[row["state"]]
    kept = f": {row['kept']} of {row['input']} rows kept  "
    return styled(f"{name}  ", (row["state"], colour), kept, (f"{row['seconds']:.1f} s", "dim"))


def _lines(row: dict[str, Any]) -> list[Text]:
    if row["state"] == "partial":
        return []
    lines: list[Text] = []
    if row["funnel"]:
        lines.append(styled(" → ".join(f"{name} {number}" for name, number in row["funnel"].items())))
    lines += [
        styled(f"{number} {status}: {reason}")
        for status in ("filtered", "failed")
        for reason, number in row[status].items()
    ]
    if row["damaged"]:
        lines.append(styled(("missing or altered", "red"), f": {', '.join(row['damaged'][:5])}"))
    if row["code_changed"]:
        lines.append(styled(f"code changed since this was built; `--refresh {row['stage']}` rebuilds it"))
    lines += [styled((warning, "yellow")) for warning in row["facts"].get("warnings", [])]
    return lines
