"""`statscache uri`: what to give to psql."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.commands import ask
from tests.support.place import Place


def test_uri_is_what_psql_takes(there: Place, database: str) -> None:
    """For a server that runs anyway, one line with its URL, without SQLAlchemy's driver, that connects."""
    printed = there.answer("uri")
    assert re.fullmatch(r"postgresql://\S+\n", printed)
    assert ask(printed.strip(), "SELECT current_database()") in database


def test_stop_makes_no_database(tmp_path: Path) -> None:
    """Where there is no embedded database, `statscache uri --stop` leaves the directory as it is."""
    assert Place(tmp_path, "embedded:./data").answer("uri", "--stop") == ""
    assert list(tmp_path.iterdir()) == []
