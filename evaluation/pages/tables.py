"""scores.json -> the report's headline and tables, each number with its interval and an explanation."""

from collections.abc import Sequence
from typing import Any

from evaluation.classifier.trust import is_trusted
from evaluation.pages.differences import difference_lines, difference_text
from evaluation.pages.numbers import fid_digits, fixed, interval_digits
from evaluation.pages.page import Cell, Headline, Table
from evaluation.scoring.measures import BESIDE, MEASURES, TRUTH_VAE, Measure
from evaluation.scoring.networks import network_of, short_name

START = "start"
"""Label of the untouched start."""
DRAWN = "drawn kitchen"
Json = dict[str, Any]
KEPT = ("no_change", "psnr_outside", "ssim_outside", "distance_input", f"distance_input{BESIDE}")
"""Columns of the second table: what an edit keeps."""


def percent_text(value: float) -> str:
    """Return 72.5 as "72.5 %"."""
    return f"{fixed(value, 1)} %"


def number_cell(number: Json | None, *, is_percent: bool, seeds: str = "seeds") -> Cell:
    """Return a table cell: mean, interval, spread over seeds (the paper's ± too) and the paired difference.

    An interval without a width is left out: such a number is no estimate, like the distance of a picture to itself.
    """
    if number is None:
        return Cell(value="–")
    value, (low, high) = number["mean"], number["interval"]
    digits = 1 if is_percent else fid_digits(value or high)
    of_ends = digits if is_percent else max(digits, interval_digits(low, high))
    lines = [f"{fixed(low, of_ends)} to {fixed(high, of_ends)}"] if high - low > 1e-9 else []
    if number["std"] is not None:
        lines.append(f"± {number['std']:.{max(digits, 2)}f} over {number['num_seeds']} {seeds}")
        lines.append(f"variance {number['variance']:.3g}")
    lines += difference_lines(number.get("difference"), digits, is_percent=is_percent)
    text = percent_text(value) if is_percent else fixed(value, digits)
    return Cell(value=text, details=lines, share=value / 100 if is_percent else None)


def measures_of(table: Json) -> list[Measure]:
    """Return the measures that a split's table has."""
    return [measure for measure in MEASURES if any(row[measure.key] is not None for row in table["rows"])]


def split_tables(scores: Json, table: Json) -> list[Table]:
    """Return the tables of one test split: edits one by one, and sets of edits."""
    measures = measures_of(table)
    acted = [measure for measure in measures if measure.kind != "set" and measure.column not in KEPT]
    kept = [measure for measure in measures if measure.column in KEPT]
    sets = [measure for measure in measures if measure.kind == "set"]
    heading = f"{table['split']}: {table['num_pairs']:,} pairs of {table['num_videos']:,} videos"
    acted, kept, sets = (real_first(part, scores) for part in (acted, kept, sets))
    parts = [("what the edits do", acted, split_notes(scores, table)), ("what the edits keep", kept, [])]
    parts.append(("sets of edits", sets, set_notes(scores, table)))
    return [_table(scores, table, f"{heading}, {title}", chosen, notes) for title, chosen, notes in parts if chosen]


def real_first(measures: Sequence[Measure], scores: Json) -> list[Measure]:
    """Return measures in their order, each on real features before the same one on random ones."""
    bases = [measure.base for measure in measures]
    is_random = [str(network_of(measure, scores)).startswith("fixed-random") for measure in measures]
    order = sorted(range(len(measures)), key=lambda place: (bases.index(bases[place]), is_random[place]))
    return [measures[place] for place in order]


def _table(scores: Json, table: Json, title: str, measures: Sequence[Measure], notes: Sequence[str]) -> Table:
    """Return one table; under the heading of a measure of features stands their network."""
    rows = []
    for row in table["rows"]:
        cells = [
            number_cell(row[measure.key], is_percent=measure.is_percent, seeds=seeds_of(row)) for measure in measures
        ]
        rows.append((row["name"], "best" if is_main(row) else row["kind"], cells))
    definitions = dict.fromkeys(f"{measure.heading}: {measure.definition}" for measure in measures)
    networks = [short_name(network_of(measure, scores)) for measure in measures]
    return Table(
        title=title,
        columns=[
            (measure.heading, f"{measure.meaning}; {network}" if network else measure.meaning)
            for measure, network in zip(measures, networks, strict=True)
        ],
        rows=rows,
        notes=[*definitions, *notes],
    )


def seeds_of(row: Json) -> str:
    """Return the seeds behind a row's numbers: training seeds where there are several, else sampling seeds."""
    return "training seeds" if len(row.get("training_seeds", ())) > 1 else "seeds"


def is_main(row: Json) -> bool:
    """Tell whether a row is an editor that this run trained."""
    return row["kind"] == "editor" and row["editor"] != START


def split_notes(scores: Json, table: Json) -> list[str]:
    """Return notes on how the numbers of a split were made."""
    notes = [f"Paired distances with {_both(scores['paired_features'], scores['fid_features'])}."]
    passed: Json = next((row for row in table["rows"] if row["editor"] == TRUTH_VAE), {})
    for key, network in (("nearer_percent", "paired_features"), (f"nearer_percent{BESIDE}", "fid_features")):
        if (nearer := passed.get(key)) is not None and nearer["mean"] < 50:
            notes.append(
                f"Of the ground truths themselves, sent through the editor's VAE, only {percent_text(nearer['mean'])} "
                f"stay nearer to the truth than the input is: to the features of {short_name(scores[network])} the "
                "VAE's own marks weigh more than the action, so their distances say little about the editors here."
            )
    if table["num_judged"]:
        notes.append(
            f"Carried out and rest kept, from the {DRAWN}: {table['num_judged']:,} of {table['num_pairs']:,} pairs "
            "have a goal and overlap no other action."
        )
    if text := classifier_text(scores, table["split"]):
        notes.append(f"The classifier behind Acc:{text}")
    notes.append(
        "Below each number its 95 % interval. Pairs of one video are alike, so the interval is clustered by video "
        "(Student's t; Wilson's form for shares). ± and variance are over seeds; the paper's ± is called variance."
    )
    if table["compared_with"] is not None:
        notes.append(
            f"Δ is the paired difference to {table['compared_with']}, with Holm's p over the editors of the table; "
            "“n shows” is the smallest difference that these pairs would show with a chance of 80 %."
        )
    if any(len(row.get("training_seeds", ())) > 1 for row in table["rows"]):
        notes.append(
            "Editors trained under several seeds: videos and training seeds both count as drawn (two-way random "
            "effects, Student's t), so the interval is about other pairs and other trainings; ± is over training seeds."
        )
    return notes


def set_notes(scores: Json, table: Json) -> list[str]:
    """Return notes on how the set distances were made, and how far above zero the size of the sets alone puts them."""
    halves = []
    for network, end in (("fid_features", ""), ("paired_features", BESIDE)):
        fid, kid = (table.get(f"{name}_of_truth_halves{end}") for name in ("fid", "kid"))
        if not end or fid is not None:
            halves.append(f"on {scores[network]} FID {_fid_text(fid)} and KID {'–' if kid is None else fixed(kid, 2)}")
    note = (
        f"FID and KID of all editors on the same {table['num_pairs']:,} pairs. The two halves of the truth score "
        f"against each other, {', '.join(halves)}: what the size of the sets alone makes of FID. Not comparable with a "
        "FID published elsewhere, but under the same network, resize and number of pairs."
    )
    if not any(row["fid_input"] for row in table["rows"]):
        note += " Long-distance edits should differ from their input, so distances to the inputs are left out."
    return [note, "Intervals by the delta method (FID) and the projection of a U-statistic (KID), clustered by video."]


def _both(first: str, second: str) -> str:
    return first if first == second else f"{first} and {second}"


def _fid_text(value: float | None) -> str:
    return "–" if value is None else fixed(value, fid_digits(value))


def classifier_text(scores: Json, split: str) -> str:
    """Return a sentence on the accuracy of the classifier itself on the films of a split."""
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
    table = next((score for score in scores["splits"] if score["split"].startswith("test")), scores["splits"][0])
    key, label = "acc_match_gt_percent", "edits that show the same action as the ground truth (accuracy A)"
    if not is_trusted(scores, table):
        key, label = "nearer_percent", "of the edits are nearer to the ground truth than their input is"
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
        if row is not main and row["editor"] not in ("truth", TRUTH_VAE)
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
        difference=difference_text(number.get("difference"), main["name"], table.get("compared_with")),
    )
