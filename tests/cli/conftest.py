"""Places in which commands run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.commands import Replayed, make_busy
from tests.support.databases import new_database
from tests.support.hour import archive, history  # noqa: F401  fixtures
from tests.support.place import Place
from tests.support.roles import Roles


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A working directory without a database."""
    return Place(tmp_path)


@pytest.fixture(scope="module")
def messages(server: Engine, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """The real messages after `statscache replay`."""
    with new_database(server) as url:
        yield Replayed(tmp_path_factory.mktemp("messages"), url, shared, "messages")


@pytest.fixture(scope="module")
def derived(server: Engine, shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replayed]:
    """Messages derived from real ones after `statscache replay`."""
    with new_database(server) as url:
        yield Replayed(tmp_path_factory.mktemp("derived"), url, shared, "derived")


@pytest.fixture
def busy(there: Place) -> Place:
    """A place whose database has counted three categories just now."""
    return make_busy(there)


@pytest.fixture(scope="module")
def counted(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """The same for all tests that only look."""
    with new_database(server) as url:
        yield make_busy(Place(tmp_path_factory.mktemp("counted"), url))


@pytest.fixture
def roles(engine: Engine) -> Iterator[Roles]:
    """Makes roles."""
    roles = Roles(engine)
    yield roles
    roles.drop()
