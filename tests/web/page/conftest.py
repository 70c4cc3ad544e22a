"""A page on the figures of some weeks, and a browser to look at it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine

from tests.support.browser import Visit, launched, visiting
from tests.support.figures import figures
from tests.support.web import Server


@pytest.fixture(scope="module")
def filled(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Server]]:
    """A page on the figures of some weeks, and an engine on its database."""
    with figures(server, tmp_path_factory.mktemp("page")) as made:
        yield made


@pytest.fixture
def site(filled: tuple[Engine, Server]) -> Server:
    """The page's server."""
    return filled[1]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser."""
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, site: Server) -> Callable[..., AbstractContextManager[Visit]]:
    """What begins a visit."""
    return partial(visiting, browser, f"http://127.0.0.1:{site.port}")
