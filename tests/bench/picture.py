"""Takes the picture of the report that README shows: ``picture.py RUN OUT.png``.

Chromium must be on the PATH; the run's own page is opened from its file.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

SIZE = {"width": 1200, "height": 1500}


def main() -> None:
    """Open the page in daylight and write what a desktop shows of its top."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="run folder with a report")
    parser.add_argument("out", type=Path, help="PNG to write")
    given = parser.parse_args()
    page_file = (given.run / "report" / "report.html").resolve()
    chromium = shutil.which("chromium")
    if chromium is None or not page_file.is_file():
        parser.error("no chromium on the PATH" if chromium is None else f"no {page_file}")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, chromium_sandbox=False)
        page = browser.new_page(viewport=SIZE, color_scheme="light")
        page.goto(page_file.as_uri())
        page.wait_for_selector("html[data-drawn]")
        page.screenshot(path=given.out)
        browser.close()


if __name__ == "__main__":
    main()
