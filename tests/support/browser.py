"""A real browser without a window: Debian's chromium, driven by selenium.

Without it a test that needs it is skipped.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest


def why_no_browser() -> str:
    """Return why there is no browser to test with; "" when there is one."""
    missing = [name for name in ("chromium", "chromedriver") if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} here: apt-get install chromium chromium-driver" if missing else ""


@contextmanager
def browser(profile: Path, width_px: int = 1400, height_px: int = 900) -> Iterator[Any]:
    """Give a browser that downloads into `profile`/downloads and keeps what pages store in `profile`."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed (extra dev)")
    if reason := why_no_browser():
        pytest.skip(reason)
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--mute-audio"):
        options.add_argument(argument)
    options.add_argument(f"--user-data-dir={profile / 'profile'}")
    options.add_argument(f"--window-size={max(width_px, 500)},{height_px}")
    if width_px < 500:  # a window cannot be so narrow, so a phone's screen is emulated
        metrics = {"width": width_px, "height": height_px, "pixelRatio": 2.0, "touch": True, "mobile": True}
        options.add_experimental_option("mobileEmulation", {"deviceMetrics": metrics})
    (profile / "downloads").mkdir(parents=True, exist_ok=True)
    options.add_experimental_option("prefs", {"download.default_directory": str(profile / "downloads")})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(60)
    try:
        yield driver
    finally:
        driver.quit()
