"""The words around a study's tables: their columns, and the note above each on the page."""

from collections.abc import Mapping

COLUMNS: Mapping[str, tuple[str, ...]] = {
    "table2": ("method",),
    "scores": ("test set", "question", "method", "mean", "95 % interval", "SD", "answers", "raters", "paper"),
    "agreement": (
        "test set",
        "question",
        "pairs",
        "Krippendorff's alpha, ordinal",
        "ICC(1,1)",
        "ICC(1,k)",
        "k",
    ),
    "judges": (
        "judge",
        "test set",
        "question",
        "pictures rated by both",
        "rank correlation with people",
        "same preference as people, %",
        "method",
        "judge's mean",
        "people's mean",
    ),
    "rejected": ("file", "rater", "reason", "rows", "what was seen"),
    "answers": (
        "rater",
        "platform",
        "segment_id",
        "video_id",
        "split",
        "method",
        "kind",
        "form",
        "picture",
        "question",
        "score",
        "seconds",
    ),
}
"""Table -> its columns, the header of a file without a row; rows of Table 2 and of the scores may have more."""

TABLE_NOTE = (
    "Mean from 1 (not at all) to 5 (completely) with its 95 % interval, which holds for other videos and other raters: "
    "both are drawn anew (pigeonhole bootstrap)."
)
SCORES_NOTE = (
    "SD: of a single answer. p: Wilcoxon's signed-rank test over the pairs' means, then Holm's correction over the "
    "methods of a question. Pairs of one video are taken as independent by the test, not by the intervals."
)
AGREEMENT_NOTE = (
    "Alpha: 1 is full agreement, 0 what chance gives. ICC(1,1): of one rating; ICC(1,k): of the mean of the k ratings "
    "that a picture has. A dash: fewer than two raters for any picture, or all answers alike."
)
JUDGES_NOTE = (
    "Beside people on the same pictures, never alone. Same preference: of two edits of one pair that people rate "
    "differently, how often the judge prefers the same one; 50 % is chance."
)
REJECTED_NOTE = "Files, raters and rows that are not in the tables above, with the reason."
