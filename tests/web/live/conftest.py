"""A server with streams of changes, a daemon that makes the changes, and who follows them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.live import SCRIPT, Stream
from tests.support.web import Server

Serve = Callable[..., Server]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    """Starts servers for a database, after a program of the test's own; each must end well."""
    made: list[Server] = []

    def serve(url: str, script: str = "") -> Server:
        made.append(Server(tmp_path, url, script=SCRIPT + script))
        return made[-1]

    yield serve
    for each in made:
        each.process.kill()
        each.process.communicate()


@pytest.fixture
def follow() -> Iterator[Callable[..., Stream]]:
    """Opens streams."""
    made: list[Stream] = []

    def follow(server: Server, *tables: str, **options: str) -> Stream:
        made.append(Stream(server.port, *tables, **options))
        return made[-1]

    yield follow
    for each in made:
        each.close()
