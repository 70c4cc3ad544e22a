"""Poolers before a database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from tests.support.pgbouncer import BINARY, PgBouncer


@pytest.fixture
def pooler(database: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., PgBouncer]]:
    """Starts PgBouncers before the database."""
    if BINARY is None or "host" not in make_url(database).query:
        pytest.skip("needs PgBouncer, and a server on a local socket")
    made: list[PgBouncer] = []

    def start(**options: Any) -> PgBouncer:
        made.append(PgBouncer(make_url(database), tmp_path_factory.mktemp("pgbouncer"), **options))
        return made[-1]

    yield start
    for each in made:
        each.stop()
