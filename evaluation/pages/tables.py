"""scores.json -> the report's headline and tables, each number with its interval and what it takes to read it."""

from collections.abc import Sequence
from typing import Any

from evaluation.pages.page import Cell, Headline, Table

START = "start"
"""Label of the untouched start."""
DRAWN = "drawn kitchen"
Json = dict[str, Any]


def percent_text(value: float) -> str:
    """Return 72.5 as "72.5 %"."""
    return f"{value:.1f} %"


def fid_digits(value: float) -> int:
    """Return how many digits behind the point a FID is printed with: the stand-in's are small."""
    return 2 if value >= 10 else 3


def number_cell(number: Json | None, *, is_percent: bool, seeds: str = "seeds") -> Cell:
    """Return a table cell: the mean over seeds, its interval, and how it varies over seeds where there are several."""
    if number is None:
        return Cell(value="–")
    value, (low, high) = number["mean"], number["interval"]
    digits = 1 if is_percent else fid_digits(value)
    lines = [f"{low:.{digits}f} to {high:.{digits}f}"] if high > low else []
    if number["std"] is not None:
        lines.append(f"± {number['std']:.{max(digits, 2)}f} over {number['num_seeds']} {seeds}")
    text = percent_text(value) if is_percent else f"{value:.{digits}f}"
    return Cell(value=text, details=lines, share=value / 100 if is_percent else None)


def columns_of(scores: Json, table: Json) -> list[tuple[str, str, str]]:
    """Return key, heading and meaning of the columns that a split's table has."""
    columns = [
        ("carried_out_percent", "Carried out", f"oracle, {DRAWN}, ↑"),
        ("kept_percent", "Rest kept", f"oracle, {DRAWN}, ↑"),
        ("acc_match_gt_percent", "Acc A", "same action as ground truth, ↑"),
        ("acc_label_percent", "Acc B", "annotated action, ↑"),
        ("fid_input", "FID input", "to the inputs, ↓"),
        ("fid_output", "FID output", "to the ground truth, ↓"),
    ]
    return [each for each in columns if any(row[each[0]] is not None for row in table["rows"])]


def split_table(scores: Json, table: Json) -> Table:
    """Return the table of one test split."""
    columns = columns_of(scores, table)
    rows = []
    for row in table["rows"]:
        cells = [
            number_cell(row[key], is_percent=key.endswith("_percent"), seeds=seeds_of(row)) for key, _, _ in columns
        ]
        rows.append((row["name"], "best" if is_main(row) else row["kind"], cells))
    return Table(
        title=f"{table['split']}: {table['num_pairs']:,} pairs",
        columns=[(heading, meaning) for _, heading, meaning in columns],
        rows=rows,
        notes=split_notes(scores, table),
    )


def seeds_of(row: Json) -> str:
    """Say over which seeds a row's numbers were taken: those of training where there are several, else of sampling."""
    return "training seeds" if len(row.get("training_seeds", ())) > 1 else "seeds"


def is_main(row: Json) -> bool:
    """Tell whether a row is an editor that this run trained."""
    return row["kind"] == "editor" and row["editor"] != START


def split_notes(scores: Json, table: Json) -> list[str]:
    """Say how the numbers of a split were made."""
    notes = []
    if table["num_judged"]:
        notes.append(
            f"Carried out and rest kept, from the {DRAWN}: {table['num_judged']:,} of {table['num_pairs']:,} pairs "
            "have a goal and overlap no other action. Carried out: all that the instruction asks for is clearly seen. "
            "Rest kept: nothing else changed; a wrong thing where the goal wants its own counts as not carried out."
        )
    notes.append(
        "Acc: a TimeSformer sees the input four times and the edit four times. A compares what it recognises with what "
        "it recognises on the ground truth, B with the annotated action. Ground truth is the ceiling of B, the copy "
        f"of the input the floor of both.{classifier_text(scores, table['split'])}"
    )
    fid = (
        f"FID with {scores['fid_features']}, all editors on the same {table['num_pairs']:,} pairs; the two halves of "
        f"the ground truth score {_fid_text(table['fid_of_truth_halves'])} against each other, from the size of the "
        "sets alone. Not comparable with any FID published elsewhere."
    )
    if not any(row["fid_input"] for row in table["rows"]):
        fid += " Long-distance edits should differ from their input, so FID input is left out."
    notes.append(fid)
    notes.append(
        f"Below each number its 95 % interval: Wilson's for one yes or no a pair, else {scores['num_bootstrap']:,} "
        "bootstrap resamples of the pairs (FID: ± 1.96 bootstrap standard errors)."
    )
    if any(len(row.get("training_seeds", ())) > 1 for row in table["rows"]):
        notes.append(
            "Editors trained under several seeds: pairs and training seeds both count as drawn (two-way random "
            "effects, Student's t), so the interval is about other pairs and other trainings; ± is over training seeds."
        )
    return notes


def _fid_text(value: float | None) -> str:
    return "–" if value is None else f"{value:.{fid_digits(value)}f}"


def classifier_text(scores: Json, split: str) -> str:
    """Say how good the classifier itself is on the films of a split."""
    counts = scores["classifier"].get(split)
    if not counts or not counts["num_segments"]:
        return ""
    share = percent_text(100 * counts["right_on_real_clips"] / counts["num_segments"])
    text = f" On the real eight-frame clips of these pairs the classifier is right in {share}"
    text += f" ({scores['num_actions']} actions"
    if counts["num_unknown_actions"]:
        text += f"; {counts['num_unknown_actions']} pairs show an action that training never did"
    return text + ")."


def verb_table(scores: Json, table: Json) -> Table:
    """Return the table of a split by verb: what the oracle sees, or else accuracy A."""
    keys = [("carried_out_percent", "carried out"), ("kept_percent", "rest kept")]
    if not table["num_judged"]:
        keys = [("acc_match_gt_percent", "Acc A"), ("acc_label_percent", "Acc B")]
    editors = [(row["editor"], row["name"]) for row in table["rows"] if row["kind"] == "editor"]
    columns = [("Pairs", "judged" if table["num_judged"] else "")]
    columns += [(name, meaning) for _, name in editors for _, meaning in keys]
    rows = []
    for verb in table["by_verb"]:
        count = verb["num_judged"] if table["num_judged"] else verb["num_pairs"]
        cells = [Cell(value=f"{count:,}")]
        cells += [_mean_cell(verb["by_editor"][editor][key]) for editor, _ in editors for key, _ in keys]
        rows.append((verb["verb"], "editor", cells))
    label = f", {DRAWN}" if table["num_judged"] else ""
    return Table(title=f"{table['split']} by verb{label}", columns=columns, rows=rows)


def _mean_cell(value: float | None) -> Cell:
    return Cell(value="–") if value is None else Cell(value=percent_text(value), share=value / 100)


def headline_of(scores: Json, recipe: Sequence[str]) -> Headline:
    """Return the run's one number: the oracle's in the kitchen, accuracy A elsewhere; of the first test split."""
    table = next((each for each in scores["splits"] if each["split"].startswith("test")), scores["splits"][0])
    key, label = "acc_match_gt_percent", "edits that show the same action as the ground truth (accuracy A)"
    if table["num_judged"]:
        key, label = "carried_out_percent", f"of the instructions carried out, as the oracle sees it ({DRAWN})"
    main = next((row for row in table["rows"] if is_main(row)), table["rows"][-1])
    number = main[key]
    beside = []
    if main["kept_percent"] is not None:
        beside.append(("with the rest of the scene kept", percent_text(main["kept_percent"]["mean"])))
    beside += [
        (f"{row['name']}, for comparison", percent_text(row[key]["mean"]))
        for row in table["rows"]
        if row is not main and row["editor"] != "truth"
    ]
    pairs = table["num_judged"] or table["num_pairs"]
    seeds = "1 seed" if number["num_seeds"] == 1 else f"{number['num_seeds']} {seeds_of(main)}"
    sentence = f"{main['name']} on {pairs:,} held-out pairs of {table['split']}, {seeds}; "
    return Headline(
        value=percent_text(number["mean"]),
        label=label,
        interval=f"95 % interval {number['interval'][0]:.1f} to {number['interval'][1]:.1f} %",
        recipe=sentence + "; ".join(recipe) + ".",
        beside=beside,
    )
