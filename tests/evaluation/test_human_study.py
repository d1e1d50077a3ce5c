"""The human study's numbers: questions in the paper's words, agreement, intervals, paired tests, the plan."""

import itertools
from fractions import Fraction

import numpy as np
import pytest
from scipy import stats

from evaluation.human_study import agreement
from evaluation.human_study.agreement import intraclass_correlation, krippendorff_alpha, mean_score
from evaluation.human_study.questions import HEAD_CAMERA_NOTICE, TEMPLATES, check_questions, questions_for, wording
from evaluation.human_study.survey import completion_code, control_places, parts_of_equal_size, plan_study
from evaluation.statistics.paired_tests import holm

_ = None
PUBLISHED = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]
"""Four observers, twelve units: Krippendorff 2011, example C."""


def exact_alpha(table, level):
    """Return alpha as fractions, from its definition: pairs of ratings of one unit against pairs of all ratings."""
    units = [[row[u] for row in table if row[u] is not None] for u in range(len(table[0]))]
    units = [unit for unit in units if len(unit) > 1]
    values = [value for unit in units for value in unit]
    counts = {value: values.count(value) for value in sorted(set(values))}

    def distance(a, b):
        a, b = min(a, b), max(a, b)
        if level == "nominal":
            return Fraction(int(a != b))
        if level == "interval":
            return Fraction((a - b) ** 2)
        between = sum(number for value, number in counts.items() if a <= value <= b)
        return (between - Fraction(counts[a] + counts[b], 2)) ** 2

    observed = sum(
        Fraction(1, len(unit) - 1) * distance(a, b) for unit in units for a, b in itertools.permutations(unit, 2)
    )
    expected = sum(distance(a, b) for a, b in itertools.permutations(values, 2))
    return 1 - (len(values) - 1) * Fraction(observed) / Fraction(expected)


@pytest.mark.parametrize(("level", "printed"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_of_the_published_example_is_the_published_one(level, printed):
    alpha = krippendorff_alpha(np.array(PUBLISHED, dtype=float), level)
    assert alpha == pytest.approx(float(exact_alpha(PUBLISHED, level)), abs=1e-12)
    assert round(alpha, 3) == printed


def test_ordinal_alpha_is_that_of_the_definition_on_any_table_with_gaps():
    rng = np.random.default_rng(0)
    for _draw in range(30):
        table = rng.integers(1, 6, (4, 9)).astype(float)
        table[rng.random(table.shape) < 0.3] = np.nan
        plain = [[None if np.isnan(rating) else int(rating) for rating in row] for row in table]
        assert krippendorff_alpha(table) == pytest.approx(float(exact_alpha(plain, "ordinal")), abs=1e-9)


def test_alpha_is_one_of_full_agreement_and_not_defined_where_nothing_varies_or_nobody_shares():
    same = np.array([[1, 3, 5.0], [1, 3, 5]])
    assert krippendorff_alpha(same) == 1.0
    assert krippendorff_alpha(np.full((2, 4), 3.0)) is None
    assert krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2]])) is None


def test_icc_is_shrout_and_fleiss_own_example():
    judges = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])
    correlation = intraclass_correlation(np.repeat(range(6), 4).tolist(), judges.ravel())
    assert (round(correlation.single, 2), round(correlation.mean, 2), correlation.raters_per_unit) == (0.17, 0.44, 4)
    lonely = intraclass_correlation([*np.repeat(range(6), 4).tolist(), 9], [*judges.ravel(), 3])
    assert lonely == correlation


def test_holm_multiplies_the_smallest_most_and_never_changes_the_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_wilcoxon_is_scipys_and_says_one_where_no_item_differs():
    rng = np.random.default_rng(1)
    one, other = rng.normal(0.5, 1, 40), rng.normal(0, 1, 40)
    assert agreement.paired_wilcoxon(one, other) == stats.wilcoxon(one, other).pvalue
    assert agreement.paired_wilcoxon(one, one) == 1.0


def test_the_interval_holds_the_truth_though_items_and_raters_were_both_drawn():
    rng, held, studies = np.random.default_rng(2), 0, 200
    for _study in range(studies):
        items, raters = rng.normal(0, 0.8, 25), rng.normal(0, 0.5, 12)
        place_items, place_raters = np.meshgrid(range(25), range(12), indexing="ij")
        scores = 3 + items[place_items] + raters[place_raters] + rng.normal(0, 0.7, (25, 12))
        mean = mean_score(place_items.ravel(), place_raters.ravel(), scores.ravel(), rng, num_resamples=300)
        held += mean.low <= 3 <= mean.high
    assert 0.88 <= held / studies <= 0.99


def test_an_interval_over_items_alone_would_be_too_narrow():
    """Raters who differ much: when one rater is left out of the draw, the interval becomes narrower."""
    rng = np.random.default_rng(3)
    scores = np.repeat([1.0, 5.0, 3.0, 2.0], 50)
    raters, items = np.repeat(range(4), 50), np.tile(range(50), 4)
    both = mean_score(items, raters, scores, rng)
    alone = mean_score(items, ["one"] * 200, scores, rng)
    assert both.high - both.low > 3 * (alone.high - alone.low)
    assert mean_score([1], [1], [3], rng).low is None


def test_the_questions_are_the_papers_and_hc_has_r5_and_the_notice():
    assert TEMPLATES["R2"] == "Evaluate how similar the generated edited image is to the ground-truth edited image."
    assert HEAD_CAMERA_NOTICE.startswith("Consider that the generated edited images should simulate a scene")
    assert wording("R4", action="open", target="fridge") == (
        "Score how well the position or posture of the object “fridge” targeted by the action “open” is implemented "
        "while the properties of the object are preserved."
    )
    assert "<" not in "".join(wording(name, action="open", target="") for name in TEMPLATES)
    assert questions_for("head", is_long_distance=False) == questions_for("fixed", is_long_distance=True)
    assert questions_for("head", is_long_distance=True) == ("R5",)
    for wrong in ((), ("R6",), ("R1", "R1")):
        with pytest.raises(ValueError, match="choose of R1"):
            check_questions(wrong)


def test_the_plan_counts_people_and_what_they_could_show():
    plan = plan_study(
        num_items=500, num_methods=8, num_questions=4, items_per_form=20, num_controls=3, raters_per_item=3
    )
    assert (plan.num_forms, plan.num_raters, plan.answers_a_rater) == (25, 75, (20 * 8 + 3) * 4)
    assert plan.minutes_a_rater == pytest.approx(65.2)
    one = {"num_methods": 8, "num_questions": 4, "items_per_form": 20, "num_controls": 0, "raters_per_item": 1}
    # 12 500 items with one rater each are needed for the paper's gain on R1 of HC, 0.03 points.
    assert plan_study(num_items=12_558, **one).smallest_difference == pytest.approx(0.03, abs=1e-4)
    assert plan_study(num_items=500, **one).half_width == pytest.approx(0.105, abs=1e-3)
    with pytest.raises(ValueError, match="at least one"):
        plan_study(num_items=0, **one)


def test_forms_are_of_equal_size_and_controls_are_of_all_kinds():
    sizes = [len(part) for part in parts_of_equal_size(501, 20)]
    assert (len(sizes), sum(sizes), max(sizes) - min(sizes)) == (26, 501, 1)
    assert set(control_places(10, 3).values()) == {"truth", "copy", "other"}
    assert len(control_places(4, 4)) == 4
    assert control_places(4, 0) == {}


def test_the_completion_code_changes_with_every_answer_and_every_name():
    answers = {("a", "R1"): 3, ("b", "R1"): 4}
    code = completion_code("s", "form-01", "w", answers)
    others = [completion_code("s", "form-01", "v", answers), completion_code("s", "form-02", "w", answers)]
    others += [completion_code("s", "form-01", "w", answers | {("b", "R1"): 5})]
    assert len({code, *others}) == 4
    assert len(code) == 14
