"""The two pictures of docs/deploy.md: the page of a run and the page of a night's verdict, as a browser shows them.

    python -m benchmarks.server_pictures --api http://127.0.0.1:4200/api

Takes the newest main job and the newest night's page of a server that is running (docs/deploy.md starts one); wants
chromium and chromedriver. Writes docs/deploy/run.png and docs/deploy/night.png.
"""

import argparse
import io
import shutil
import time
from pathlib import Path
from typing import Any

from PIL import Image

from tests.support.browser import browser
from tests.support.server_api import post

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "deploy"
WIDTH_PX, HEIGHT_PX = 1500, 900
SHOWN_PX = {"run.png": 600, "night.png": 392}
"""Rows kept of each page. Below them are empty tabs, and the path of the report on this machine."""
NUM_COLOURS = 64
"""Number of colours of the pictures. Pages have few colours, so the files stay below 150 KB."""
PATIENCE_S = 20.0
"""Seconds until a page has loaded everything that it shows."""


def pages_of(api_url: str) -> dict[str, str]:
    """Return file name -> address of the page: the newest completed main job, and the newest night's verdict."""
    site = api_url.removesuffix("/api")
    done = {"state": {"type": {"any_": ["COMPLETED"]}}, "tags": {"all_": ["until:report"]}}
    asked: dict[str, Any] = {"flow_runs": done, "flows": {"name": {"any_": ["reproduce"]}}, "sort": "END_TIME_DESC"}
    runs = post(api_url, "/flow_runs/filter", asked)
    if not runs:
        raise ValueError(f"{api_url}: no main job is done there. Run `PREFECT_API_URL={api_url} editaction demo`.")
    # The page of a key lists its artifacts; the newest one is opened from there.
    return {"run.png": f"{site}/runs/flow-run/{runs[0]['id']}", "night.png": f"{site}/artifacts/key/nightly"}


def take(driver: Any, address: str, shown_px: int) -> Image.Image:
    """Open a page; where it is a list, open its newest entry. Return the upper part as a picture of few colours."""
    driver.get(address)
    time.sleep(PATIENCE_S)
    if "/key/" in address:
        driver.find_element("css selector", "a[href*='/artifacts/artifact/']").click()
        time.sleep(PATIENCE_S)
    picture = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
    return picture.crop((0, 0, picture.width, shown_px)).quantize(NUM_COLOURS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--api", default="http://127.0.0.1:4200/api")
    parser.add_argument("--profile", type=Path, default=Path("/tmp/editaction-pictures"))
    arguments = parser.parse_args()
    with browser(arguments.profile, WIDTH_PX, HEIGHT_PX) as driver:
        for name, address in pages_of(arguments.api).items():
            take(driver, address, SHOWN_PX[name]).save(FOLDER / name, optimize=True)
            print(f"{FOLDER / name}: {(FOLDER / name).stat().st_size} bytes")
    shutil.rmtree(arguments.profile)


if __name__ == "__main__":
    main()
