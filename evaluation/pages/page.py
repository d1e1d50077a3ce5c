"""Plain facts of a run -> one HTML page that needs nothing else: no network, no script, pictures and curves inside.

The caller fills in these records from stages and files; nothing here knows them. The template escapes all text.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

from evaluation.pages.charts import Chart, Figure, draw_chart
from evaluation.pages.instructions import Piece
from modeling.data.images import Picture

TEMPLATES = Path(__file__).resolve().parent / "templates"
MAX_SHOWN_PX = 512
"""Larger pictures are reduced to this side before they go into the page."""
LOSSLESS_PX = 128
"""Pictures up to this side are PNG, larger ones JPEG of quality 88."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The main number of the run, with all that is needed to read it."""

    value: str
    """Such as "72.5 %"."""
    label: str
    """What the number counts."""
    interval: str
    """Such as "95 % interval 66.4 to 77.9"."""
    recipe: str
    """Data, N, seeds and settings behind it, in a sentence."""
    beside: Sequence[tuple[str, str]] = ()
    """Other numbers for comparison: (name, value)."""
    difference: str = ""
    """Whether these pairs show a difference to the editor that it is compared with."""


@dataclass(frozen=True, kw_only=True)
class ShownEdit:
    """A picture in the gallery."""

    name: str
    """Written under it."""
    picture: Picture
    """uint8 [H, W, 3]."""
    verdicts: Mapping[str, bool] = field(default_factory=dict)
    """The oracle's verdicts, such as {"carried out": True}; empty without an oracle."""

    @property
    def is_small(self) -> bool:
        """True when it is enlarged pixel by pixel; False for photographs."""
        return max(self.picture.shape[:2]) <= LOSSLESS_PX


@dataclass(frozen=True, kw_only=True)
class ShownPair:
    """A card of the gallery."""

    instruction: str
    """The instruction, verbatim."""
    pictures: Sequence[ShownEdit]
    """Input, ground truth, edits."""
    parts: Sequence[Piece] = ()
    """The instruction in pieces with their roles; empty: not taken apart."""
    lineage: Sequence[tuple[str, str]] = ()
    """Origin of each picture: (name, place)."""

    @property
    def pieces(self) -> Sequence[Piece]:
        """The instruction in pieces, one where it is not taken apart."""
        return self.parts or (Piece(text=self.instruction),)


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Shown pairs under one heading: a figure of the paper."""

    name: str
    """Name of the gallery's file and anchor."""
    title: str
    note: str
    """A sentence that says how the shown pairs were chosen."""
    pairs: Sequence[ShownPair]
    has_roles: bool = False
    """True when parts of the instructions are coloured; the page then needs a legend."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A number in a table."""

    value: str
    """Value as it is printed; "–" where it is not defined."""
    details: Sequence[str] = ()
    """Small print under it: interval, spread over seeds."""
    share: float | None = None
    """Share from 0 to 1, drawn as a bar behind the number."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table of numbers."""

    title: str
    columns: Sequence[tuple[str, str]]
    """(heading, what it means in a few words) of all columns but the first."""
    rows: Sequence[tuple[str, str, Sequence[Cell]]]
    """(name, kind, cells); kind "editor" is set off from "reference"."""
    notes: Sequence[str] = ()
    """Sentences under the table."""


@dataclass(frozen=True, kw_only=True)
class FunnelStage:
    """The row counts of a stage: input = kept + filtered + failed."""

    stage: str
    """Name of the stage."""
    num_kept: int
    filtered: Mapping[str, int]
    """Reason -> rows."""
    failed: Mapping[str, int]
    """Reason -> rows."""
    steps: Mapping[str, int]
    """Rows left after each step inside the stage, in order."""

    @property
    def num_input(self) -> int:
        """Rows that came in."""
        return self.num_kept + self.num_filtered + self.num_failed

    @property
    def num_filtered(self) -> int:
        """Rows left out on purpose."""
        return sum(self.filtered.values())

    @property
    def num_failed(self) -> int:
        """Rows that could not be done."""
        return sum(self.failed.values())


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting of the run."""

    name: str
    """Dotted name of the setting."""
    value: str
    """Value that this run has."""
    paper: str | None = None
    """The paper's value where it differs."""


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of one artifact."""

    artifact: str
    """stage/label-key8."""
    key: str
    """Hash of version, config and inputs."""
    digest: str
    """Hash of its content."""
    commit: str
    """Commit of the code that made it."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Everything the page shows, in its order."""

    title: str
    summary: str
    """Two or three sentences about this run."""
    warnings: Sequence[str]
    """Warnings that a reader needs before the numbers."""
    headline: Headline
    galleries: Sequence[Gallery]
    """The first one stands before the scores, the others behind the tables."""
    tables: Sequence[Table]
    charts: Sequence[Chart]
    funnel: Sequence[FunnelStage]
    settings: Mapping[str, Sequence[Setting]]
    """Stage -> its settings."""
    notes: Sequence[str]
    """Plain sentences beside the configuration."""
    provenance: Sequence[Provenance]
    packages: Mapping[str, str]
    """Package -> version."""

    figures: Sequence[Figure] = ()
    """Drawn charts of results, such as Figure 8."""
    go_on: str = ""
    """The command that edits a picture with the run's editor; empty without one."""
    cost: Sequence[tuple[str, str]] = ()
    """The cost of the run: (stage or resource, amount)."""

    @property
    def departures(self) -> list[Setting]:
        """Settings that differ from the paper's."""
        return [setting for settings in self.settings.values() for setting in settings if setting.paper is not None]


def data_uri(picture: Picture) -> str:
    """Return uint8 [H, W, 3] as a data: address, PNG when small."""
    image = Image.fromarray(picture)
    if max(image.size) > MAX_SHOWN_PX:
        scale = MAX_SHOWN_PX / max(image.size)
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    if max(image.size) <= LOSSLESS_PX:
        image.save(buffer, "PNG", optimize=True)
        kind = "png"
    else:
        image.save(buffer, "JPEG", quality=88)
        kind = "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def figures_of(charts: Sequence[Chart]) -> list[Figure]:
    """Return the drawn curves."""
    return [draw_chart(chart) for chart in charts]


def environment() -> Environment:
    """Return how templates of this project are read: everything escaped, nothing undefined."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"data_uri": data_uri, "thousands": "{:,}".format}
    return made


def render(report: Report) -> str:
    """Return the page as HTML."""
    return environment().get_template("report.html.j2").render(report=report, figures=figures_of(report.charts))
