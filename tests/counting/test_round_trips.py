"""How often a flush goes to the server and back, and that a connection which was lost while idle costs none."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.bench import Bench, Good, Other
from tests.support.gate import Gate, Pair
from tests.support.sql import run

#: What there is beside the flush itself: the checks of the transaction, its position, the ledger, and all the rest.
MOST = 4
OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'statscache'"
)


class Listening(Gate):
    """A gate that notes what clients ask."""

    def __init__(self, engine: Engine, directory: Path) -> None:
        self.asked: list[bytes] = []
        super().__init__(engine.url, directory)

    def _ask(self, pair: Pair) -> None:
        while data := pair.near.recv(1 << 20):
            if data[:1] == b"Q":
                self.asked.append(data[5:200])
            pair.far.sendall(data)


@pytest.fixture
def listening(engine: Engine, tmp_path: Path) -> Iterator[Listening]:
    """A gate before the empty database."""
    if "host" not in engine.url.query:
        pytest.skip("needs a server on a local socket")
    gate = Listening(engine, tmp_path)
    yield gate
    gate.shut()


@pytest.fixture
def bench(listening: Listening, tmp_path: Path) -> Iterator[Bench]:
    """A daemon behind it that has flushed once."""
    bench = Bench(listening.url, tmp_path / "spool", Good, Other)
    bench.accept("x")
    bench.flush()
    listening.asked.clear()
    yield bench
    bench.engine.dispose()


def test_a_flush_takes_four_ways_and_none_where_nothing_came(bench: Bench, listening: Listening) -> None:
    bench.accept("x", "y")
    bench.flush()
    assert len(listening.asked) <= MOST, listening.asked
    assert bench.volume("test_good") == 3
    listening.asked.clear()
    bench.daemon.flusher.step()
    bench.daemon.flusher.step()
    assert listening.asked == []


def leave_in_a_transaction(bench: Bench) -> None:
    """Give a connection back in a transaction that the driver knows nothing of, for which it is closed."""
    connection = bench.engine.raw_connection()
    connection.driver_connection.autocommit = True  # type: ignore[union-attr]
    connection.cursor().execute("BEGIN")
    connection.close()


WAYS: dict[str, Callable[[Bench, Listening, Engine], object]] = {
    "ended": lambda bench, listening, engine: run(engine, OTHERS),
    "cut": lambda bench, listening, engine: listening.cut(),
    "closed": lambda bench, listening, engine: leave_in_a_transaction(bench),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_flush_replaces_a_connection_that_was_lost_while_idle(
    way: str, bench: Bench, listening: Listening, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Without failing first."""
    WAYS[way](bench, listening, engine)
    bench.accept("x", "y")
    with caplog.at_level(logging.WARNING):
        bench.flush()
    assert bench.volume("test_good") == bench.volume("test_other") == 3
    assert [record.message for record in caplog.records if record.name.startswith("statscache")] == []


def test_who_only_asks_gets_another_connection_for_one_that_was_lost(
    bench: Bench, listening: Listening
) -> None:
    listening.cut()
    assert bench.volume("test_good") == 1
