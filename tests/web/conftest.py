"""An API on the tables of a few messages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.web import Server, body, filled


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Server]]:
    """An API on the tables of a few messages, and an engine on them."""
    with filled(server, tmp_path_factory.mktemp("http"), *map(body, range(150))) as made:
        yield made


@pytest.fixture
def web(made: tuple[Engine, Server]) -> Server:
    """The API."""
    return made[1]
