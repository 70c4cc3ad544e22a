"""A real browser that looks at pages: Chromium, with nothing of its own on the network."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

#: Where Debian has it.
CHROMIUM = shutil.which("chromium") or ""
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
]
WIDTHS = (360, 768, 1440)
SCHEMES = ("light", "dark")


def launched(playwright: Playwright) -> Browser:
    """Return a browser."""
    if not CHROMIUM:
        pytest.skip("needs Chromium")
    return playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)


@dataclass
class Visit:
    """A page that is being looked at.

    :param troubles: what the browser has complained of
    :param requests: the URLs that it has asked for
    """

    page: Page
    root: str
    troubles: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def go(self, path: str) -> Page:
        """Go to a page, and return it."""
        self.page.goto(self.root + path)
        return self.page

    def follow(self, selector: str) -> None:
        """Click what leads to another page, and wait until that is there."""
        with self.page.expect_navigation():
            self.page.click(selector)

    @property
    def strangers(self) -> set[str]:
        """The hosts that are not the page's own of which something was asked."""
        return {urlsplit(url).netloc for url in self.requests} - {urlsplit(self.root).netloc, ""}


@contextmanager
def visiting(browser: Browser, root: str, **options: Any) -> Iterator[Visit]:
    """Give a visit with an empty profile. It must end without a complaint, and nothing may leave the server.

    :param options: as `new_context` takes them
    """
    context: BrowserContext = browser.new_context(
        **{"locale": "en-US", "timezone_id": "Europe/Berlin", **options}
    )
    visit = Visit(context.new_page(), root)
    visit.page.on("console", lambda message: _note(visit, message.type, message.text))
    visit.page.on("pageerror", lambda error: visit.troubles.append(str(error)))
    visit.page.on("request", lambda request: visit.requests.append(request.url))
    yield visit
    context.close()
    assert visit.troubles == []
    assert visit.strangers == set()


def _note(visit: Visit, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        visit.troubles.append(text)
