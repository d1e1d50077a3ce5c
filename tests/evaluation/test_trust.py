"""A classifier that knows nothing, or that cannot tell an edit from no edit, is not trusted."""

import pytest

from evaluation.classifier.trust import doubts, is_trusted


def table(copy=(10.0, [5.0, 20.0]), truth=(80.0, [70.0, 90.0])):
    def row(editor, mean, interval):
        return {"editor": editor, "kind": "reference", "acc_label_percent": {"mean": mean, "interval": interval}}

    by_verb = [{"num_pairs": 40}, {"num_pairs": 60}]
    return {"split": "test500", "by_verb": by_verb, "rows": [row("copy", *copy), row("truth", *truth)]}


def counts(right, num_clips=100):
    return {"num_segments": num_clips, "right_on_real_clips": right, "num_unknown_actions": 0}


def test_a_classifier_that_knows_actions_and_sees_edits_is_believed():
    assert doubts(counts(90), table()) == []
    assert is_trusted({"classifier": {"test500": counts(90)}}, table())


@pytest.mark.parametrize("right", [0, 50, 60, 68])
def test_one_that_is_no_better_than_naming_the_most_frequent_action_is_not(right):
    (reason,) = doubts(counts(right), table())
    assert "near chance" in reason
    assert "60.0 %" in reason


def test_one_that_sees_the_action_in_copies_as_well_is_not():
    (reason,) = doubts(counts(90), table(copy=(75.0, [65.0, 85.0])))
    assert "cannot tell an edit from no edit" in reason
    assert not is_trusted({"classifier": {"test500": counts(90)}}, table(copy=(75.0, [65.0, 85.0])))


def test_without_real_clips_the_pairs_alone_decide():
    assert doubts(None, table()) == []
    assert len(doubts(None, table(truth=(10.0, [2.0, 20.0])))) == 1
