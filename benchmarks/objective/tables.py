"""Recorded runs of the study -> its rows and comparisons, as Markdown tables.

python -m benchmarks.objective.tables                                    # every study that is recorded
python -m benchmarks.objective.tables lc_500_pairs_300_steps             # one of them
python -m benchmarks.objective.tables lc_500_pairs_300_steps --json      # all numbers, as JSON
"""

import argparse
import json
import re
from collections.abc import Sequence
from typing import Any

from benchmarks.objective.rows import study_content
from benchmarks.objective.runs import RUNS, recorded, runs_file
from benchmarks.objective.study import studied_arms

Facts = dict[str, Any]


def share(facts: Facts | None) -> str:
    """Return `62.1 (58.0 to 66.3)`, or nothing."""
    return "" if facts is None else f"{facts['mean']:.1f} ({facts['low']:.1f} to {facts['high']:.1f})"


def difference(facts: Facts | None) -> str:
    """Return `+7.3 (2.1 to 12.5), p 0.006`, with `apart` where the two intervals do not overlap, or only those over
    seeds alone do not."""
    if facts is None:
        return ""
    p = "" if facts["num_seeds"] < 2 else ", p < 0.001" if facts["p"] < 0.001 else f", p {facts['p']:.3f}"
    over_seeds = ", apart over seeds" if facts.get("apart_over_seeds") else ""
    apart = ", apart" if facts["intervals_apart"] else over_seeds
    return f"{facts['mean']:+.1f} ({facts['low']:+.1f} to {facts['high']:+.1f}){p}{apart}"


def arms_table(rows: Sequence[Facts]) -> str:
    """Return one line for each arm: carried out on seen and held-out scenes, kept, told apart, and the pull of the
    terms.
    """
    head = (
        "| start | arm | steps | compute | seeds | seen | held-out | kept, held-out "
        "| told apart: disjoint | same verb | same object | pull of L_action, L_reg |"
    )
    lines = [head, "|" + "---|" * 12]
    for row in rows:
        told = row.get("told_apart", {})
        cells = [row["start"], row["arm"], str(row["num_steps"]), f"{row['compute']:.2f}", str(len(row["seeds"]))]
        cells += [share(row.get(f"{name}_carried_out")) for name in ("seen", "unseen")]
        cells.append(share(row.get("unseen_kept")))
        cells += [
            f"{told[f'unseen_{kind}']:.3f}" if f"unseen_{kind}" in told else ""
            for kind in ("disjoint", "same_verb", "same_object")
        ]
        pulls = [row.get("diagnostics", {}).get(f"{name}_gradient_ratio_mean") for name in ("action", "reg")]
        cells.append(", ".join("-" if pull is None else f"{pull:.3f}" for pull in pulls))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def verbs_table(rows: Sequence[Facts]) -> str:
    """Return one line for each arm: carried out by verb, seen / held out."""
    verbs = list(dict.fromkeys(verb for row in rows for verb in row.get("unseen_by_verb", {})))
    lines = [f"| start | arm | {' | '.join(verbs)} |", "|" + "---|" * (2 + len(verbs))]
    for row in rows:
        cells = [row["start"], row["arm"]]
        for verb in verbs:
            shares = [row.get(f"{name}_by_verb", {}).get(verb) for name in ("seen", "unseen")]
            cells.append(
                " / ".join(
                    "-" if share_of_verb is None else f"{share_of_verb['percent']:.0f}" for share_of_verb in shares
                )
            )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def comparisons_table(compared: Sequence[Facts]) -> str:
    """Return one line for each comparison: arm minus reference, paired by scene and seed."""
    lines = ["| start | arm | minus | at equal | seeds | seen | held-out | kept, held-out |", "|" + "---|" * 8]
    for pair in compared:
        cells = [pair["start"], pair["arm"], pair["reference"], " and ".join(pair["equal_in"]), str(len(pair["seeds"]))]
        cells += [difference(pair.get(name)) for name in ("seen_carried_out", "unseen_carried_out", "unseen_kept")]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def study_page(content: Facts) -> str:
    """Return the whole page."""
    sizes = ", ".join(f"{name} {count}" for name, count in content["num_scenes"].items())
    return (
        f"# What the objective does ({content['style']})\n\n"
        f"Shares in percent with 95 % intervals over scenes and training seeds; scenes: {sizes}. Drawn kitchen, read "
        "by the oracle. An arm with one seed says nothing of other seeds; one with two says little.\n\n"
        f"{arms_table(content['rows'])}\n\n## Paired by scene and seed, in points\n\n"
        f"{comparisons_table(content['comparisons'])}\n\n## Carried out by verb, seen / held out\n\n"
        f"{verbs_table(content['rows'])}\n"
    )


def recorded_content(study: str) -> Facts:
    """Return the rows and comparisons of a recorded study; ValueError when none of that name is recorded."""
    named = re.match(r"(?P<style>[a-z]+)_.*?(?P<steps>\d+)_steps", study)
    runs = recorded(runs_file(study)) if named else []
    if not named or not runs:
        raise ValueError(f"No run of {study!r} is recorded; there are {', '.join(recorded_studies()) or 'none'}.")
    return study_content(named["style"], studied_arms(int(named["steps"]), {run.arm for run in runs}), runs)


def recorded_studies() -> list[str]:
    """Return the names of the studies that are recorded."""
    return sorted(path.stem for path in RUNS.glob("*.jsonl"))


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", help="names, such as lc_500_pairs_300_steps; none: all")
    parser.add_argument("--json", action="store_true", help="print numbers instead of tables")
    given = parser.parse_args()
    contents = {study: recorded_content(study) for study in given.studies or recorded_studies()}
    if given.json:
        print(json.dumps(contents, indent=1))
    else:
        print("\n".join(study_page(content) for content in contents.values()))


if __name__ == "__main__":
    main()
