"""`editaction try` in a real browser with the small editor: an edit, its history, no connection to other machines."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

from evaluation.kitchen.actions import fixed_view
from evaluation.kitchen.world import draw, random_scene
from modeling.config import SamplingConfig
from modeling.data.images import read_image
from modeling.editing.files import open_editor
from modeling.editing.interactive import Asked, edit_as_asked
from tests.support.browser import browser

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
WATCH = """
import sys
def note(event, arguments):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        with open({log!r}, "a") as log:
            print(event, arguments[1] if event != "socket.getaddrinfo" else arguments[0], file=log)
sys.addaudithook(note)
"""
"""Python's audit hook: it writes down every address that the process connects to, before anything else is imported."""
LOCAL = re.compile(r"127\.0\.0\.1|localhost|::1|0\.0\.0\.0|^socket\.connect [^(]|None")


@pytest.fixture
def served(tmp_path):
    """Start the command; give its address and the process."""
    gradio = pytest.importorskip("gradio", reason="gradio is not installed (extra ui)")
    (tmp_path / "hook").mkdir()
    (tmp_path / "hook" / "sitecustomize.py").write_text(WATCH.format(log=str(tmp_path / "spoken.txt")))
    # gradio may lie in a folder of its own (.ci/run): the command finds it where this process has found it.
    paths = [str(tmp_path / "hook"), str(ROOT), str(Path(gradio.__file__).parents[1])]
    environment = os.environ | {"PYTHONPATH": ":".join(paths), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "flows.commands.cli", "try", "--editor", "small", "--device", "cpu"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split()[0], process
    finally:
        process.kill()
        process.wait()


def wait(driver, condition):
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 150).until(lambda _: condition())


def pixels(driver, selector):
    """Return a shown picture as the browser has it: uint8 [H, W, 3]."""
    script = """
        const image = document.querySelector(arguments[0]), canvas = document.createElement('canvas')
        canvas.width = image.naturalWidth; canvas.height = image.naturalHeight
        canvas.getContext('2d').drawImage(image, 0, 0)
        return [canvas.width, ...canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data]
    """
    width, *values = driver.execute_script(script, selector)
    return np.array(values, dtype=np.uint8).reshape(-1, width, 4)[..., :3]


def type_into(driver, selector, text):
    from selenium.webdriver.common.keys import Keys

    field = driver.find_element("css selector", selector)
    field.send_keys(Keys.CONTROL, "a")
    field.send_keys(text, Keys.TAB)


def test_a_person_edits_looks_back_and_nothing_leaves_the_machine(served, tmp_path):
    address, process = served
    scene = random_scene(np.random.default_rng(1), min_things=3, max_things=6, places=fixed_view())
    Image.fromarray(draw(scene)).save(tmp_path / "scene.png")
    asked = Asked(instruction="turn cup red", seed=5, image_guidance=1.5, text_guidance=2.0, num_steps=2)
    sampling = SamplingConfig(size_px=96, scheduler="pipeline", precision="fp32")
    expected = edit_as_asked(open_editor("small", "cpu"), read_image(tmp_path / "scene.png"), asked, sampling)
    with browser(tmp_path / "one", 390) as driver:
        driver.get(address)
        wait(driver, lambda: driver.find_elements("id", "edit"))
        driver.find_element("id", "edit").click()
        wait(driver, lambda: "Choose a picture first" in driver.page_source)
        driver.find_element("css selector", "#picture input[type=file]").send_keys(str(tmp_path / "scene.png"))
        wait(driver, lambda: driver.find_elements("css selector", "#picture img"))
        type_into(driver, "#instruction textarea, #instruction input", asked.instruction)
        for name, value in (("image_guidance", "1.5"), ("text_guidance", "2"), ("steps", "2"), ("seed", "5")):
            type_into(driver, f"#{name} input[type=number]", value)
        for number, seed in enumerate(("5", "6"), start=1):
            type_into(driver, "#seed input", seed)
            button = driver.find_element("id", "edit")
            driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", button)
            driver.execute_script("arguments[0].click()", button)
            wait(driver, lambda: len(driver.find_elements("css selector", "#history img")) == number)  # noqa: B023
        second = pixels(driver, "#edited img")
        oldest = driver.find_elements("css selector", "#history .thumbnail-item")[-1]
        driver.execute_script("arguments[0].click()", oldest)
        wait(driver, lambda: driver.find_element("css selector", "#seed input").get_attribute("value") == "5")
        wait(driver, lambda: not np.array_equal(pixels(driver, "#edited img"), second))
        assert np.array_equal(pixels(driver, "#edited img"), expected), "what is shown is the editor's own edit"
        command = driver.find_element("css selector", "#command textarea").get_attribute("value")
        assert command == asked.command("small")
        asked_for = driver.execute_script("return performance.getEntriesByType('resource').map(each => each.name)")
        assert {urlsplit(address).hostname for address in asked_for} == {"127.0.0.1"}
        assert driver.execute_script("return document.documentElement.scrollWidth") == 390, "a phone scrolls one way"
        assert not [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
    spoken = [line for line in (tmp_path / "spoken.txt").read_text().splitlines() if not LOCAL.search(line)]
    assert spoken == [], "the program speaks to nobody outside"
    process.send_signal(signal.SIGINT)
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert process.poll() == 130
    assert not list(tmp_path.glob("editaction-try-*")), "the pictures go with the page"
