"""Tables of scores state what their numbers cannot show, and print zeros as zeros."""

import pytest

from evaluation.pages.tables import number_cell, split_notes


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
    assert (cell.value, cell.details) == ("0.000", ["0.000 to 0.000"])
    below = number_cell(number | {"interval": (-2.3e-17, 4.0e-17)}, is_percent=False)
    assert below.details == ["0.000 to 0.000"]
