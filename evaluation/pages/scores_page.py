"""scores.json -> one HTML page of its tables alone, that needs no network."""

from collections.abc import Mapping
from typing import Any

from evaluation.classifier.trust import doubts
from evaluation.pages.page import environment
from evaluation.pages.paper_tables import Tables, on_the_page
from evaluation.pages.tables import split_tables


def render_scores(content: Mapping[str, Any], printed: Tables) -> str:
    """Return the page: what must be known first, then every split's tables, and those of the paper."""
    warnings = [
        reason for table in content["splits"] for reason in doubts(content["classifier"].get(table["split"]), table)
    ]
    tables = [split_table for table in content["splits"] for split_table in split_tables(dict(content), table)]
    tables += on_the_page(printed)
    return environment().get_template("scores.html.j2").render(warnings=warnings, tables=tables)
