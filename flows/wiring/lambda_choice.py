"""Scores of a grid of loss weights -> a folder: the ranking, Figure 8, and the choice that `run --settings` takes."""

import json
from pathlib import Path

from evaluation.human_study.text_tables import as_csv, as_latex, as_markdown
from evaluation.pages.loss_weights import choice_of, figure8, ranked, ranking_rows
from evaluation.pages.page import environment
from evaluation.pages.svg import svg_of
from modeling.atomic import atomic_folder, write_json
from tasks.artifacts.artifact import Artifact
from tasks.artifacts.inside import inside

CHOICE = "lambdas.json"
"""The file that a run takes."""


def write_choice(workspace: Path, scores: Artifact, split: str | None) -> Path:
    """Write the choice into `choices` of the workspace and return its folder; the same scores give the same one."""
    content = json.loads((scores.path / "scores.json").read_text(encoding="utf-8"))
    choice = choice_of(content, split) | {"scores": f"scores/{scores.path.name}"}
    folder = inside(workspace, "choices") / f"lambdas-{scores.manifest['key'][:8]}-{choice['split']}"
    if folder.exists():
        return folder
    table = next(entry for entry in content["splits"] if entry["split"] == choice["split"])
    rows, figures = ranking_rows(ranked(table)), figure8(table)
    folder.parent.mkdir(exist_ok=True)
    with atomic_folder(folder) as temporary:
        for suffix, text in ((".csv", as_csv(rows)), (".md", as_markdown(rows)), (".tex", as_latex(rows))):
            (temporary / f"ranking{suffix}").write_text(text, encoding="utf-8", newline="")
        for figure, name in zip(figures, ranked(table), strict=True):
            (temporary / f"figure8_{name}.svg").write_text(svg_of(figure), encoding="utf-8")
        page = environment().get_template("lambdas.html.j2").render(choice=choice, rows=rows, figures=figures)
        (temporary / "index.html").write_text(page, encoding="utf-8")
        write_json(temporary / CHOICE, choice)
    return folder


def told(choice: Path) -> str:
    """Return the ranking and the choice in Markdown."""
    content = json.loads((choice / CHOICE).read_text(encoding="utf-8"))
    chosen = ", ".join(f"`{name}={value:g}`" for name, value in content["settings"].items())
    lines = [f"Chosen by FID_output on {content['split']}: {chosen}.", "", *content["notes"], ""]
    return "\n".join(lines) + (choice / "ranking.md").read_text(encoding="utf-8")
