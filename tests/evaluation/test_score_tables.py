"""Tables of scores state what their numbers cannot show, and print zeros as zeros."""

import pytest

from evaluation.human_study.text_tables import as_latex, as_markdown
from evaluation.pages.differences import difference_text
from evaluation.pages.paper_tables import text_of
from evaluation.pages.tables import number_cell, real_first, split_notes
from evaluation.scoring.measures import MEASURES
from evaluation.scoring.networks import network_of


def table_with(*rows):
    return {"rows": list(rows), "num_judged": 0, "num_pairs": 9, "compared_with": None, "split": "test9"}


SCORES = {"paired_features": "some features", "fid_features": "some features", "classifier": {}}


@pytest.mark.parametrize(("percent", "is_said"), [(4.6, True), (49.9, True), (50.0, False), (100.0, False)])
def test_features_that_see_the_autoencoder_more_than_the_action_are_named(percent, is_said):
    notes = " ".join(split_notes(SCORES, table_with({"editor": "truth_vae", "nearer_percent": {"mean": percent}})))
    assert (f"only {percent} % stay nearer" in notes) == is_said


@pytest.mark.parametrize("row", [{"editor": "truth_vae", "nearer_percent": None}, {"editor": "editaction"}])
def test_without_the_truth_through_the_autoencoder_nothing_is_said_of_it(row):
    assert "VAE" not in " ".join(split_notes(SCORES, table_with(row)))


def test_the_rounding_of_a_distance_to_itself_is_printed_as_zero():
    number = {"mean": 3.2e-17, "interval": (2.3e-17, 4.0e-17), "std": None}
    cell = number_cell(number, is_percent=False)
    assert (cell.value, cell.details) == ("0.000", [])


DIFFERENCE = {"mean": -3e-17, "p_holm": 1.0, "is_shown": False, "smallest_visible": 0.0}
NUMBER = {"mean": -2e-17, "interval": (-0.0001, 0.004), "std": None, "difference": DIFFERENCE}


def test_no_zero_has_a_sign_below_it_and_equal_values_claim_no_smallest_difference():
    cell = number_cell(NUMBER, is_percent=False)
    assert (cell.value, cell.details) == ("0.000", ["-0.0001 to 0.0040", "Δ +0.000, p 1.000"])
    seen = number_cell(NUMBER | {"difference": DIFFERENCE | {"smallest_visible": 0.02}}, is_percent=False)
    assert seen.details[-1] == "n shows ≥ 0.020"
    assert number_cell(NUMBER | {"interval": (-0.01, 4.0)}, is_percent=True).details[0] == "0.0 to 4.0"


def test_an_interval_is_printed_with_as_many_digits_as_keep_its_ends_apart():
    cell = number_cell({"mean": 0.99904, "interval": (0.99892, 0.99916), "std": None}, is_percent=False)
    assert (cell.value, cell.details) == ("0.999", ["0.99892 to 0.99916"])


def test_small_distances_of_the_paper_s_tables_keep_three_digits_that_count():
    texts = [text_of({"mean": mean, "variance": None}) for mean in (0.013732, 0.008843, 54.5, -1e-17, 3.456, 0.5)]
    assert texts == ["0.0137", "0.00884", "54.50", "0.00", "3.46", "0.5"]


ROWS = [{"Method ↓": "[flux] a_b_ *x* \\|", "p": "< 0.001 & 50 % ± 1"}]


def test_cells_of_any_signs_stay_one_row_of_latex_and_of_markdown():
    latex = as_latex(ROWS).splitlines()
    assert latex[2] == r"Method $\downarrow$ & p \\"
    assert latex[4] == r"{[}flux] a\_b\_ {*}x{*} \textbackslash{}\textbar{} & $<$ 0.001 \& 50 \% $\pm$ 1 \\"
    assert as_markdown(ROWS).splitlines()[2] == r"| \[flux\] a_b\_ \*x\* \\\| | &lt; 0.001 &amp; 50 % ± 1 |"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mean": -0.42}, "-0.4 points to plain, p 0.765: no difference is shown; these pairs would show 3.9 points."),
        ({"mean": 0.0, "smallest_visible": 0.0}, "+0.0 points to plain, p 0.765: no difference is shown."),
        ({"mean": -5.0, "is_shown": True}, "-5.0 points to plain, p 0.765: these pairs show that ours is worse."),
    ],
)
def test_the_headline_says_whether_a_difference_is_shown(changes, words):
    difference = {"mean": 1.0, "p_holm": 0.765, "is_shown": False, "smallest_visible": 3.9} | changes
    assert difference_text(difference, "ours", "plain") == words
    assert difference_text(None, "ours", "plain") == difference_text(difference, "ours", None) == ""


def test_measures_on_real_features_stand_before_the_same_ones_on_random_features():
    scores = {"fid_features": "fixed-random-conv (seed 1)", "paired_features": "EfficientNet-Lite0 (file a)"}
    for _ in range(2):
        both = [measure for measure in MEASURES if measure.network is not None]
        order = real_first(both, scores)
        assert {measure.column for measure in order} == {measure.column for measure in both}
        for base in {measure.base for measure in both}:
            on = [network_of(measure, scores) for measure in order if measure.base == base]
            assert on == sorted(on, key=lambda name: name.startswith("fixed"))
        scores = {"fid_features": scores["paired_features"], "paired_features": scores["fid_features"]}
