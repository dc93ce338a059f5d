"""Take the picture of `objabn demo` in docs/: `python tools/demo_picture.py docs/demo.png`.

The run that comes with the package explains a drawn example. Needs requirements-demo.txt, playwright and chromium.
"""

import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from objabn.demo.offers import Networks, shipped_offer
from objabn.demo.page import serve

EXAMPLE, FRAME = "jumping_jacks", "4"
WIDTH, HEIGHT = 1160, 800


def take(url: str, path: Path) -> None:
    """Open the page, explain the example, move the slider, and write a PNG of what the window shows."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.goto(url)
        page.get_by_role("button", name=EXAMPLE, exact=True).click()
        page.wait_for_selector("#result .panels[data-drawn]")
        page.locator("#frame").fill(FRAME)
        page.wait_for_selector(f"#result .panels[data-drawn^='{FRAME} ']")
        page.mouse.move(0, 0)
        page.wait_for_timeout(500)  # gradio's bar fades
        page.screenshot(path=path, full_page=True)
        browser.close()
    Image.open(path).convert("RGB").save(path, optimize=True)


if __name__ == "__main__":
    offers = [shipped_offer()]
    with serve(offers, Networks(offers, "cpu"), None, None) as address:
        take(address, Path(sys.argv[1]))
