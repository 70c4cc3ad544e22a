"""A datagrepper, and a reader of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from statscache.history.archives.datagrepper.slices import Datagrepper
from tests.support.pages import Pages
from tests.support.slices import reader, rows


@pytest.fixture
def pages() -> Iterator[Pages]:
    """A server with 250 rows, which are 2.5 a second."""
    server = Pages(rows(250))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def archive(pages: Pages) -> Iterator[Datagrepper]:
    """A reader of that server, with pages of 10 rows and slices of 100."""
    with closing(reader(pages)) as archive:
        yield archive
