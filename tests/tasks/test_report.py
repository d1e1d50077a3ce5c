"""The report has all of its parts, loads nothing from outside, shows texts as text, and its curves are right."""

import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from evaluation.pages.charts import Chart, Series, averaged, draw_chart, log_ticks, round_ticks
from evaluation.pages.figures import CELL_PX
from evaluation.pages.page import data_uri
from evaluation.pages.tables import headline_of
from modeling.config import TrainConfig
from modeling.data.images import read_image
from tasks.config import ReportConfig, ScoresConfig
from tasks.pages.shown import gallery_rows
from tasks.report import charts_of, comparison_of, report, settings_of, warnings_of
from tasks.scores import scores
from tests.support.drawn_run import DrawnKitchen, draw_run
from tests.support.drawn_run import editor as drawn_editor

NASTY = 'open <script>alert("1")</script> & "fridge"'
VOID = {"input", "meta", "link", "img", "br", "line", "polyline"}


def page_of(workspace, config):
    run = draw_run(workspace, config)
    scored = scores.run(workspace, "t", ScoresConfig(), **run.scored_inputs())
    asked = ReportConfig(title="Trial <1>", notes=("Guidance is lower because 7.5 overshoots.",), num_grid_rows=5)
    inputs = {"scores": scored.path, "editor": run.editor.path, **run.scored_inputs()}
    artifact = report.run(workspace, "t", asked, **inputs)
    return artifact, (artifact.path / "report.html").read_text()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return page_of(tmp_path_factory.mktemp("report"), DrawnKitchen(instruction=NASTY))


@pytest.fixture(scope="module")
def page(made):
    return made[1]


class Reader(HTMLParser):
    """Collects tags and their references; complains when tags do not close."""

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.references, self.text = [], [], [], []

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.references += [value for name, value in attributes if name in ("src", "href", "action", "data")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def read(page):
    reader = Reader()
    reader.feed(page)
    assert reader.open == []
    return reader


def test_nothing_comes_from_outside_and_nothing_runs(page, read):
    assert read.references
    assert all(reference.startswith(("data:", "#")) for reference in read.references)
    assert not {"script", "iframe", "object", "form"} & set(read.tags)
    assert "http://" not in page
    assert "https://" not in page
    assert "@import" not in page
    assert "url(" not in page


def test_an_instruction_is_shown_as_it_is_and_never_as_markup(page, read):
    assert "<script" not in page
    assert any(NASTY in text for text in read.text)
    assert "Trial <1>" in read.text


def test_the_page_has_all_its_parts(page, read):
    text = " ".join(" ".join(read.text).split())
    for part in ("Edits", "Scores", "Training", "Data", "Configuration", "Provenance"):
        assert part in read.text
    for row in ("copy of the input", "ground truth", "untouched start", "EditAction"):
        assert row in read.text
    assert "drawn kitchen" in text
    assert "17 in = 16 kept + 1 filtered + 0 failed" in text
    assert "no_text" in text
    assert "Guidance is lower because 7.5 overshoots." in read.text
    assert "editor.objective.lambda_action" in read.text
    assert page.count("<polyline") == 4
    assert "image-rendering: pixelated" in page


def test_the_number_at_the_top_is_the_oracles_with_its_interval(read):
    text = " ".join(" ".join(read.text).split())
    assert "62.5 %" in read.text
    assert "of the instructions carried out" in text
    assert re.search(r"95 % interval \d\d\.\d to \d\d\.\d %", text)
    assert "8 held-out pairs of test10, 2 seeds" in text


def test_so_few_pairs_are_said_to_teach_nothing(read):
    assert any("how little suffices is not known" in text for text in read.text)
    one_table = {"splits": [{"num_pairs": 60}]}
    assert [("how little suffices is not known" in warning) for warning in warnings_of(199, one_table)] == [True]
    assert warnings_of(200, one_table) == []
    assert "10 pairs" in warnings_of(200, {"splits": [{"num_pairs": 60}, {"num_pairs": 10}]})[0]


def test_each_shown_pair_has_input_truth_and_every_editors_edit_with_the_verdict(page, read):
    main, instructions, worst = 5 * 4, 4 * 2, 6 * 3
    assert read.tags.count("img") == main + instructions + worst
    assert page.count('class="verdict ') == 5 * 2 * 2 + 6 * 2


def test_equal_work_gives_equal_bytes_however_long_it_took(made, tmp_path):
    artifact, page = made
    _, page_again = page_of(tmp_path, DrawnKitchen(instruction=NASTY))
    told = r'<p class="costs">.*?</p>|<pre><code>editaction edit .*?</code></pre>'
    without_seconds = [re.sub(told, "", text) for text in (page, page_again)]
    assert without_seconds[0] == without_seconds[1]
    assert 'class="costs"' in page, "what the run took is told, and is all that differs"
    assert "report.html" in {entry.name for entry in artifact.files()}, "so that a deleted page is noticed"


def test_every_artifact_is_named_with_its_key(made):
    artifact, page = made
    for input_ in artifact.manifest["inputs"].values():
        assert input_["artifact"] in page


def test_editors_of_several_methods_are_named_and_their_losses_drawn_beside_each_other(tmp_path):
    run = draw_run(tmp_path)
    inputs = run.scored_inputs()
    inputs["edits_finetuned"] = inputs["edits_start"]
    scored = scores.run(tmp_path, "t", ScoresConfig(), **inputs)
    other = drawn_editor.run(tmp_path, "drawn-finetuned", TrainConfig(num_steps=60, batch_size=8))
    told = {"scores": scored.path, "editor": run.editor.path, "editor_finetuned": other.path, **inputs}
    page = (report.run(tmp_path, "t", ReportConfig(), **told).path / "report.html").read_text()
    assert page.count(other.manifest["key"][:8]) >= 1
    assert "fine-tuned InstructPix2Pix" in page
    assert "L_static by editor" in page
    table = json.loads((scored.path / "scores.json").read_text())["splits"][0]
    assert [row["editor"] for row in table["rows"]] == ["copy", "truth", "start", "editaction", "finetuned"]


def test_losses_are_compared_only_where_there_are_several_editors():
    logs = {name: [{"step": 1, "static": 0.2}, {"step": 2, "static": 0.1}] for name in "abcde"}
    assert comparison_of({"a": logs["a"]}) == []
    assert comparison_of({"a": logs["a"], "b": []}) == []
    (chart,) = comparison_of(logs)
    assert [series.name for series in chart.series] == ["a", "b", "c", "d"]


def test_settings_tell_the_papers_value_only_where_it_differs():
    by_name = {
        setting.name: setting for setting in settings_of("editor", {"batch_size": 16, "objective": {"freeze": "attn2"}})
    }
    assert (by_name["editor.batch_size"].value, by_name["editor.batch_size"].paper) == ("16", "64")
    assert by_name["editor.objective.freeze"].paper is None
    assert all(setting.paper is None for setting in settings_of("frames", {"size_px": 48}))


def test_a_log_without_some_losses_draws_the_others():
    charts = charts_of([{"step": 1, "loss": 0.5, "action": 0.0}, {"step": 2, "loss": None}, {"step": 3, "loss": 0.4}])
    assert [chart.title for chart in charts] == ["Total and static loss"]
    assert charts[0].series[0].steps == [1, 3]
    assert charts_of([]) == []


def test_shown_pairs_take_the_verbs_in_turn():
    rows = [{"segment_id": f"s{number}", "verb": "open" if number < 6 else "close"} for number in range(9)]
    assert [row["verb"] for row in gallery_rows(rows, 8)] == ["open", "close"] * 3 + ["open", "open"]
    assert gallery_rows(list(reversed(rows)), 8) == gallery_rows(rows, 8)
    assert gallery_rows([], 3) == []


def test_a_long_curve_is_averaged_and_stays_inside_its_axes():
    steps = list(range(1, 1_001))
    series = Series(name="a", steps=steps, values=[step % 2 for step in steps])
    assert all(0.3 < value < 0.7 for value in averaged(series).values), "an average of 0 and 1 is near one half"
    figure = draw_chart(Chart(title="t", note="", series=[series]))
    points = [tuple(map(float, point.split(","))) for point in figure.curves[0].points.split()]
    assert len(points) == 160
    assert all(figure.left <= x <= figure.right and figure.top <= y <= figure.bottom for x, y in points)


def test_larger_values_are_drawn_higher_also_on_a_logarithmic_axis():
    for log_scale in (False, True):
        series = [Series(name="a", steps=[0, 1, 2], values=[0.01, 0.1, 1.0])]
        figure = draw_chart(Chart(title="t", note="", series=series, log_scale=log_scale))
        heights = [float(point.split(",")[1]) for point in figure.curves[0].points.split()]
        assert heights == sorted(heights, reverse=True)
    assert heights[0] - heights[1] == pytest.approx(heights[1] - heights[2], abs=0.2)


@pytest.mark.parametrize(("low", "high", "expected"), [(0, 1, [0, 0.5, 1]), (0, 390, [0, 200]), (3, 3, [3])])
def test_ticks_are_round_numbers(low, high, expected):
    assert round_ticks(low, high, 3) == expected


def test_logarithmic_ticks_are_ones_twos_and_fives():
    assert log_ticks(-1.2, 0.1) == pytest.approx([0.1, 0.2, 0.5, 1.0])


def test_small_pictures_are_lossless_and_large_ones_reduced():
    noise = np.random.default_rng(0).integers(0, 256, (600, 300, 3), dtype=np.uint8)
    assert data_uri(noise[:48, :48]).startswith("data:image/png;base64,")
    assert data_uri(noise).startswith("data:image/jpeg;base64,")
    assert len(data_uri(noise)) < 140_000


def test_without_an_oracle_the_headline_is_accuracy_a():
    number = {"mean": 40.0, "std": None, "variance": None, "num_seeds": 1, "per_seed": [40.0], "interval": [30.0, 50.0]}
    row = {"editor": "editaction", "name": "EditAction", "kind": "editor", "seeds": [0], "acc_match_gt_percent": number}
    row |= dict.fromkeys(("carried_out_percent", "kept_percent", "fid_input"), None)
    table = {"split": "test500", "num_pairs": 500, "num_judged": 0, "rows": [row]}
    headline = headline_of({"splits": [table]}, ["a recipe"])
    assert headline.value == "40.0 %"
    assert "accuracy A" in headline.label
    assert "500 held-out pairs of test500, 1 seed; a recipe." in headline.recipe


def test_the_card_to_publish_has_the_headline_and_four_pairs_in_its_place(made):
    artifact, page = made
    card = (artifact.path / "card" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\nlicense: other\n---\n\n# A drawn editor\n")
    assert card.index("Snippet.") < card.index("\n## Result\n") < card.index("\n## Training\n\n400 steps.")
    assert card.count("## Training") == 1
    value = re.search(r"\*\*([0-9.]+ %)\*\*", card)[1]
    interval = re.search(r"95 % interval [0-9.]+ to [0-9.]+ %", card)[0]
    assert value in page
    assert interval in page
    assert "the untouched start, for comparison" in card.lower() or "for comparison: " in card
    assert "<script>" not in card
    four = read_image(artifact.path / "card" / "examples.png").shape[0]
    assert four < read_image(artifact.path / "figures" / "figure2.png").shape[0]
    assert four > 4 * CELL_PX[0]
