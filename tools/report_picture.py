"""Take the picture of the report in docs/: `python tools/report_picture.py REPORT.html docs/report.png`.

It shows the first screen and the gallery, of a video whose maps differ most. Needs playwright and chromium.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

WIDTH, ORDER, FRAME = 1360, "Most bits apart", "4"


def take(report: Path, path: Path) -> None:
    """Open a report, choose the second video of the order, move the slider, and write a PNG down to the maps' end."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900})
        page.goto(report.resolve().as_uri())
        page.select_option("#order", label=ORDER)
        page.locator("#next").click()
        page.locator("#frame").fill(FRAME)
        page.wait_for_timeout(1000)  # the maps are drawn
        page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
        cards = page.locator("#cards").bounding_box()
        assert cards is not None
        whole = {"x": 0, "y": 0, "width": WIDTH, "height": cards["y"] + cards["height"] + 12}
        page.screenshot(path=path, clip=whole, full_page=True)
        browser.close()


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
