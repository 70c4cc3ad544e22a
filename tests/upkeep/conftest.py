"""Roles that may have rights on tables."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine

from tests.support.sql import run, scalar


@pytest.fixture
def role(engine: Engine) -> Iterator[str]:
    """The name of a role that may have rights, which is dropped with all that hangs on it."""
    name = f"reader_{scalar(engine, 'SELECT current_database()')}"
    run(engine, f"CREATE ROLE {name}")
    yield name
    run(engine, f"DROP OWNED BY {name} CASCADE", f"DROP ROLE {name}")
