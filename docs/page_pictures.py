"""Makes the pictures of the page in the README and in docs/querying/page.md, from the real demo.

`make page-pictures` runs it, in half a minute. It needs Debian's package chromium, and writes docs/_static/page-*.png.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

TARGET = Path(__file__).parent / "_static"
DEMO = [sys.executable, "-c", "from statscache.cli import main; main()", "demo", "--seconds", "60"]
ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
READY = "Ctrl-C ends the demo."


@dataclass(frozen=True)
class Picture:
    """A picture of a page.

    :param path: that of the page
    :param width: of the screen, in pixels, as the height
    """

    name: str
    path: str
    width: int
    height: int
    scheme: str


PICTURES = (
    Picture("overview", "", 1100, 760, "light"),
    Picture("statistic", "view/volume-by-category?range=week&step=hour&top=3", 1100, 760, "light"),
    Picture("telephone", "view/pagure-contributions?range=month&lang=de", 400, 760, "dark"),
)


@contextmanager
def demo() -> Iterator[str]:
    """Give the address of a demo's page, once its made-up week is counted."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        process = subprocess.Popen(
            [*DEMO, "--directory", f"{directory}/demo"], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        address = ""
        for line in process.stdout:
            address = address or "".join(re.findall(r"http://127\.0\.0\.1:\d+/", line))
            if READY in line:
                break
        try:
            yield address
        finally:
            process.terminate()
            process.communicate()


def take(browser: Browser, address: str, picture: Picture) -> Path:
    """Take a picture, and return where it is."""
    page = browser.new_page(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme="dark" if picture.scheme == "dark" else "light",
        locale="en-US",
    )
    page.goto(address + picture.path)
    page.wait_for_timeout(3000)  # some live counts
    path = TARGET / f"page-{picture.name}.png"
    page.screenshot(path=path)
    page.close()
    return path


def main() -> None:
    """Make all pictures."""
    chromium = shutil.which("chromium")
    if chromium is None:
        sys.exit("this needs Chromium: install Debian's package chromium")
    with demo() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        for picture in PICTURES:
            print(take(browser, address, picture))
        browser.close()


if __name__ == "__main__":
    main()
