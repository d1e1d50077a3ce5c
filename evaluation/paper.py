"""The paper's printed values: Tables 1 to 5 as data, with notes on their contradictions.

Source: Trusca, Li, Moens, "Action-based image editing guided by human instructions" (EditAction). For orientation
beside a full-size run only: other data, other feature networks and another N make no number here comparable with a
number from the drawn kitchen, and a kitchen report never shows the two together.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Published:
    """A printed number with the value after its ±."""

    value: float
    """The number."""
    plus_minus: float | None = None
    """The paper calls it variance."""


@dataclass(frozen=True, kw_only=True)
class QuantitativeRow:
    """One method on one test set, Tables 1, 3 and 5."""

    accuracy: Published
    """Action accuracy, percent."""
    fid_input: Published | None
    """FID to the input pictures; not printed for HC test100."""
    fid_output: Published
    """FID to the ground truth."""


def _row(*printed: float) -> QuantitativeRow:
    """Build a row from value, ± pairs in the printed order: accuracy, [FID_input,] FID_output."""
    pairs = [Published(value=printed[i], plus_minus=printed[i + 1]) for i in range(0, len(printed), 2)]
    return QuantitativeRow(accuracy=pairs[0], fid_input=pairs[1] if len(pairs) == 3 else None, fid_output=pairs[-1])


LC_TEST500: Mapping[str, QuantitativeRow] = {
    "Imagic": _row(12.81, 0.32, 356.26, 0.97, 356.19, 1.02),
    "Plug-and-Play": _row(48.05, 0.43, 92.27, 0.67, 93.57, 0.65),
    "DDPM Noise Space": _row(65.26, 0.22, 60.99, 0.72, 63.6, 0.77),
    "Prox-MasaCtrl": _row(64.64, 0.53, 83.87, 0.74, 85.42, 0.92),
    "MasaCtrl": _row(47.49, 0.52, 109.57, 0.85, 108.24, 0.99),
    "InstructPix2Pix": _row(21.29, 0.37, 270.49, 0.78, 270.97, 0.73),
    "Fine-tuned InstructPix2Pix": _row(69.2, 0.33, 55.88, 0.94, 60.12, 0.82),
    "EditAction": _row(71.4, 0.41, 54.54, 0.91, 56.18, 0.88),
}
"""Table 1, left half."""

HC_TEST500: Mapping[str, QuantitativeRow] = {
    "Imagic": _row(29.46, 0.22, 206.18, 0.74, 205.61, 1.22),
    "Plug-and-Play": _row(44.84, 0.14, 123.08, 1.02, 123.23, 0.65),
    "DDPM Noise Space": _row(46.27, 0.21, 93.9, 0.95, 105.73, 0.78),
    "Prox-MasaCtrl": _row(46.25, 0.36, 118.82, 0.82, 121.23, 0.83),
    "MasaCtrl": _row(50.28, 0.25, 152.1, 0.85, 158.49, 0.77),
    "InstructPix2Pix": _row(32.86, 0.32, 185.29, 0.79, 186.25, 0.59),
    "Fine-tuned InstructPix2Pix": _row(52.84, 0.33, 105.97, 0.73, 99.01, 0.61),
    "EditAction": _row(54.41, 0.49, 95.76, 0.93, 97.28, 0.82),
}
"""Table 1, right half."""

HC_TEST100: Mapping[str, QuantitativeRow] = {
    "Imagic": _row(28.9, 0.28, 199.84, 0.86),
    "Plug-and-Play": _row(38.23, 0.23, 132.53, 0.76),
    "DDPM Noise Space": _row(36.54, 0.28, 112.4, 0.74),
    "Prox-MasaCtrl": _row(35.17, 0.15, 108.74, 0.88),
    "MasaCtrl": _row(39.84, 0.19, 141.41, 0.86),
    "InstructPix2Pix": _row(33.64, 0.24, 187.33, 0.82),
    "Fine-tuned InstructPix2Pix": _row(45.89, 0.27, 104.56, 0.95),
    "EditAction": _row(46.29, 0.29, 102.85, 0.94),
}
"""Table 3."""

HUMAN_QUESTIONS = ("LC R1", "LC R2", "LC R3", "LC R4", "HC R1", "HC R2", "HC R3", "HC R4", "HC test100 R5")
"""Columns of Table 2: action carried out, like the ground truth, scene preserved, object's posture, reasoning."""

HUMAN_STUDY: Mapping[str, tuple[float, ...]] = {
    "Imagic": (1.56, 1.78, 1.54, 1.33, 1.63, 1.43, 1.47, 1.32, 1.23),
    "Plug-and-Play": (3.28, 3.78, 4.22, 2.67, 3.25, 3.71, 3.84, 2.88, 2.67),
    "DDPM Noise Space": (3.31, 4.31, 4.75, 2.88, 3.25, 4.25, 4.64, 2.98, 3.12),
    "Prox-MasaCtrl": (3.32, 4.29, 4.71, 2.79, 3.28, 4.13, 4.48, 2.93, 3.17),
    "MasaCtrl": (3.01, 3.43, 3.62, 2.74, 3.62, 3.45, 3.49, 3.12, 3.39),
    "InstructPix2Pix": (1.68, 1.74, 1.76, 1.46, 1.73, 2.19, 2.33, 1.93, 1.57),
    "Fine-tuned InstructPix2Pix": (4.23, 4.48, 4.45, 4.28, 4.25, 4.56, 4.57, 4.31, 3.9),
    "EditAction": (4.37, 4.68, 4.59, 4.53, 4.28, 4.61, 4.57, 4.44, 3.98),
}
"""Table 2; the scale is not stated, the values fit 1 to 5."""

SECONDS_PER_EDIT: Mapping[str, float] = {
    "InstructPix2Pix": 9.43,
    "Plug-and-Play": 270.44,
    "DDPM Noise Space": 85.12,
    "Prox-MasaCtrl": 18.85,
    "MasaCtrl": 17.45,
    "EditAction": 9.44,
}
"""Table 4: inference at 512 x 512; Imagic is missing there."""

LC_ABLATIONS: Mapping[str, QuantitativeRow] = {
    "without L_action": _row(69.53, 0.24, 55.78, 0.77, 58.14, 0.81),
    "without L_reg": _row(70.97, 0.11, 54.78, 0.89, 57.02, 0.95),
    "without freezing": _row(70.25, 0.28, 55.43, 0.94, 57.57, 0.96),
    "EditAction": _row(71.40, 0.41, 54.54, 0.91, 56.18, 0.88),
}
"""Table 5, upper half."""

HC_ABLATIONS: Mapping[str, QuantitativeRow] = {
    "without L_reg": _row(53.92, 17.0, 98.32, 0.97, 99.11, 0.91),
    "without freezing": _row(53.12, 0.36, 101.86, 1.0, 103.23, 1.05),
    "EditAction": _row(54.41, 0.49, 95.76, 0.93, 97.18, 0.82),
}
"""Table 5, lower half as printed, without the row that cannot be read (see CONTRADICTIONS)."""


@dataclass(frozen=True, kw_only=True)
class DatasetFigures:
    """What appendix 7.1 and section 4.1 print of a dataset."""

    name: str
    num_pairs: int
    num_actions: int
    num_train: int
    start_point_percent: float
    """Instructions that name a starting point."""
    end_point_percent: float
    """Instructions that name an ending point."""
    neither_percent: float
    """Instructions of verb and object only."""
    notes: tuple[str, ...] = ()
    """Notes on figures that are derived and not printed."""


DATASETS: Mapping[str, DatasetFigures] = {
    "lc": DatasetFigures(
        name="LC",
        num_pairs=13_766,
        num_actions=61,
        num_train=13_266,
        start_point_percent=66.49,
        end_point_percent=34.11,
        neither_percent=29.08,
    ),
    "hc": DatasetFigures(
        name="HC",
        num_pairs=37_454,
        num_actions=260,
        num_train=36_854,
        start_point_percent=0.0,
        end_point_percent=18.90,
        neither_percent=81.10,
        notes=(
            "The paper says that HC's starting point is always omitted and prints no share of instructions with verb "
            "and object only: 0 and 81.10 % are what follows from that.",
        ),
    ),
}
"""The two datasets of the paper."""


@dataclass(frozen=True, kw_only=True)
class Contradiction:
    """Something in the paper that a reader of a table should know."""

    text: str
    tables: tuple[str, ...]
    """Tables that it is about, such as table1; empty: of the text alone."""
    papers: tuple[str, ...] = ("lc", "hc")
    """Datasets that it is about."""


CONTRADICTIONS: tuple[Contradiction, ...] = (
    Contradiction(
        text='Table 5, HC "w/o L_action" prints 104.68 ± 0.22 as accuracy and 0.99 ± 1.23 as FID_input: digits went '
        "astray, and the row is left out here; its FID_output reads 104.34 ± 1.23.",
        tables=("table5",),
        papers=("hc",),
    ),
    Contradiction(text='Table 5, HC "w/o L_reg" prints 53.92 ± 17, probably 0.17.', tables=("table5",), papers=("hc",)),
    Contradiction(
        text="HC FID_output of EditAction is 97.28 in Table 1 and 97.18 in Table 5.",
        tables=("table1", "table5"),
        papers=("hc",),
    ),
    Contradiction(
        text='The paper calls the numbers behind ± variance ("mean and variance").',
        tables=("table1", "table3", "table5"),
    ),
    Contradiction(
        text='Section 4.1 lists "DDIM Inversion [24]"; reference 24 and the tables are DDPM Noise Space.',
        tables=("table1", "table3"),
    ),
    Contradiction(
        text="Imagic counts among the training-free baselines but tunes on every picture; Table 4 leaves it out.",
        tables=("table1", "table3", "table4"),
    ),
    Contradiction(
        text="The text says that DDPM Noise Space and Prox-MasaCtrl beat EditAction on R3; on HC Prox-MasaCtrl does "
        "not (4.48 against 4.57).",
        tables=("table2",),
        papers=("hc",),
    ),
    Contradiction(
        text="MasaCtrl is the best training-free baseline by accuracy on HC only; on LC it is DDPM Noise Space "
        "(65.26).",
        tables=("table1",),
    ),
    Contradiction(text="s_i = 1 is said to be InstructPix2Pix's suggestion, which is 1.5.", tables=()),
)
"""Contradictions that a reader of the tables should know."""


def notes_on(table: str, paper: str) -> list[str]:
    """Return what a reader of one of the paper's tables should know; `paper`: lc or hc.

    >>> len(notes_on("table5", "hc")), len(notes_on("table5", "lc")), notes_on("figure6", "hc")
    (4, 1, [])
    """
    return [entry.text for entry in CONTRADICTIONS if table in entry.tables and paper in entry.papers]
