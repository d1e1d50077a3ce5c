"""Inputs `forgetting_LABEL` of the report -> the table of what every editor forgot; None without such inputs."""

from collections.abc import Mapping

from evaluation.pages.forgetting_table import forgetting_table
from evaluation.pages.page import Table
from tasks.artifacts.artifact import Artifact, Record
from tasks.pages.editor_names import FORGETTING, editor_name, editor_of


def forgetting_tables(inputs: Mapping[str, Artifact]) -> list[Table]:
    """Return the table of static edits asked again, where the run asked for it."""
    asked: dict[str, list[list[Record]]] = {}
    for name in sorted(name for name in inputs if name.startswith(FORGETTING)):
        editor, _ = editor_of(name.removeprefix(FORGETTING))
        asked.setdefault(editor, []).append(list(inputs[name].records()))
    table = forgetting_table(asked, {editor: editor_name(editor) for editor in asked})
    return [] if table is None else [table]
