"""APIs on tables to be asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.categories import Made, many_rows
from tests.support.web import Server, body, filled


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """An API on 1,300 rows of eight categories, some seconds of which have all and some only one."""
    with many_rows(server, tmp_path_factory.mktemp("pages")) as made:
        yield made


@pytest.fixture(scope="module")
def web(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An API on the tables of a few messages."""
    with filled(server, tmp_path_factory.mktemp("http"), *map(body, range(150))) as (_, web):
        yield web
