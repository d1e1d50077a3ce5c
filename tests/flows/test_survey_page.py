"""Three raters in a real browser: one answers everything, one stops midway and returns, one has a phone of 390 px."""

import json

import pytest
from click.testing import CliRunner

from flows.commands.cli import cli
from tests.support.browser import browser
from tests.support.rated_study import attentive, draw_survey, read_key

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Return the folder that `editaction survey --out` writes, and its key."""
    root = tmp_path_factory.mktemp("study")
    draw_survey(root / "ws")  # draws shards and edits; the command below makes its own survey of them
    arguments = ["survey", "--workspace", str(root / "ws"), "--items", "4", "--items-per-form", "2", "--controls", "2"]
    done = CliRunner().invoke(cli, [*arguments, "--camera", "head", "--out", str(root / "study")])
    assert done.exit_code == 0, done.output
    return root, read_key(root / "study")


def open_page(driver, study, form, query):
    driver.get(f"file://{study[0]}/study/publish/{form}.html?{query}")


def answer_shown(driver, key, number, limit=1000):
    """Answer at most `limit` questions on the screen as an attentive rater does; return the answers."""
    given = {}
    for fieldset in driver.find_elements("css selector", "fieldset")[:limit]:
        code, question = fieldset.get_attribute("data-key").split()
        score = attentive(key["pictures"][code], question, number)
        choice = fieldset.find_element("css selector", f"input[value='{score}']")
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", choice)
        choice.click()
        given[code, question] = score
    return given


def answer_all(driver, key, number):
    given, order = {}, []
    while not driver.find_element("id", "end").is_displayed():
        given |= answer_shown(driver, key, number)
        order.append(driver.find_element("id", "instruction").text)
        order += [fieldset.get_attribute("data-key") for fieldset in driver.find_elements("css selector", "fieldset")]
        driver.find_element("id", "next").click()
    return given, order


def downloaded(driver, folder, button):
    """Press a download button and return the file."""
    from selenium.webdriver.support.ui import WebDriverWait

    suffix = {"json": ".json", "csv": ".csv"}[button]
    driver.find_element("id", button).click()
    WebDriverWait(driver, 20).until(lambda _: list(folder.glob(f"*{suffix}")))
    (path,) = folder.glob(f"*{suffix}")
    return path


def complaints(driver):
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]


def test_three_raters_answer_and_all_three_are_counted(study, tmp_path):
    root, key = study
    files, orders = [], {}
    with browser(tmp_path / "one") as driver:  # a rater who answers everything
        open_page(driver, study, "form-01", "PROLIFIC_PID=rater1&STUDY_ID=x")
        assert driver.find_element("id", "worker-shown").text == "rater1"
        assert "head camera" in driver.find_element("css selector", "#intro .notice").text
        driver.find_element("id", "begin").click()
        driver.find_element("id", "next").click()
        assert "missing" in driver.find_element("id", "missing").text
        given, orders[1] = answer_all(driver, key, 0)
        code = driver.find_element("id", "code").text
        files.append(downloaded(driver, tmp_path / "one" / "downloads", "json"))
        content = json.loads(files[0].read_text())
        assert (content["worker"], content["code"], content["form"]) == ("rater1", code, "form-01")
        assert {(a["picture"], a["question"]): a["score"] for a in content["answers"]} == given
        assert driver.execute_script("return document.documentElement.scrollWidth <= innerWidth")
        assert complaints(driver) == []
    with browser(
        tmp_path / "two"
    ) as driver:  # a rater who stops midway, reloads the page, closes the browser and returns
        open_page(driver, study, "form-01", "worker=rater%202")
        driver.find_element("id", "begin").click()
        answer_shown(driver, key, 1)
        driver.find_element("id", "next").click()
        before = answer_shown(driver, key, 1, limit=3)
        driver.refresh()
        assert driver.find_element("id", "begin").text == "Go on where you were"
    with browser(tmp_path / "two") as driver:
        open_page(driver, study, "form-01", "worker=rater%202")
        driver.find_element("id", "begin").click()
        assert driver.find_element("id", "place").text == "2 of 2"
        ticked = driver.find_elements("css selector", "fieldset input:checked")
        assert {
            (*radio.get_attribute("name").split(),): int(radio.get_attribute("value")) for radio in ticked
        } == before
        answer_all(driver, key, 1)
        files.append(downloaded(driver, tmp_path / "two" / "downloads", "csv"))
    with browser(tmp_path / "three", 390, 844) as driver:  # a rater on a phone; the address does not name the rater
        open_page(driver, study, "form-01", "")
        driver.find_element("id", "begin").click()
        assert driver.find_element("id", "intro").is_displayed()
        driver.find_element("id", "worker-typed").send_keys("rater3")
        driver.find_element("id", "begin").click()
        widths = driver.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
        assert widths == [390, 390]
        targets = [label.rect for label in driver.find_elements("css selector", ".scale label")]
        assert min(min(target["width"], target["height"]) for target in targets) >= 44
        driver.find_element("css selector", ".picture img").click()
        assert driver.find_element("id", "large").is_displayed()
        driver.find_element("id", "close").click()
        _, orders[3] = answer_all(driver, key, 2)
        files.append(downloaded(driver, tmp_path / "three" / "downloads", "json"))
        assert complaints(driver) == []
    assert orders[1] != orders[3]
    assert sorted(orders[1]) == sorted(orders[3])
    arguments = ["survey", "--survey", str(root / "study"), "--min-seconds", "0", "--out", str(tmp_path / "tables")]
    done = CliRunner().invoke(cli, [*arguments, *(part for file in files for part in ("--import", str(file)))])
    assert done.exit_code == 0, done.output
    num_asked = sum(len(picture["questions"]) for picture in key["pictures"].values() if picture["form"] == "form-01")
    counts = json.loads(done.output.splitlines()[0].split(": ", 1)[1])
    assert counts == {"raters": 3, "rows": 3 * num_asked, "kept": 3 * num_asked, "rejected": {}}
    assert (tmp_path / "tables" / "table2.html").is_file()


def test_two_raters_see_other_orders_and_one_rater_the_same_again(study, tmp_path):
    def order(driver, worker):
        open_page(driver, study, "form-02", f"worker={worker}")
        driver.find_element("id", "begin").click()
        return [fieldset.get_attribute("data-key") for fieldset in driver.find_elements("css selector", "fieldset")]

    with browser(tmp_path) as driver:
        orders = [order(driver, f"w{number}") for number in range(8)]
        assert len({tuple(shown_order) for shown_order in orders}) > 3
        assert order(driver, "w0") == orders[0]


def test_nothing_is_loaded_from_anywhere_and_a_hostile_worker_id_is_text(study, tmp_path):
    with browser(tmp_path) as driver:
        open_page(driver, study, "form-01", "worker=%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E")
        assert driver.find_element("id", "worker-shown").text == "<img src=x onerror=alert(1)>"
        driver.find_element("id", "begin").click()
        assert (
            driver.execute_script(
                "return performance.getEntriesByType('resource').filter(e => !e.name.startsWith('data:')).length"
            )
            == 0
        )
        assert complaints(driver) == []
