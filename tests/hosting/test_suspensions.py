"""Suspensions: for how long a plugin is left alone, and what is remembered of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, text

from statscache.database.engine import make_engine
from statscache.hosting.suspensions import (
    HANGS,
    LONGEST,
    LONGEST_HUNG,
    MEMORY,
    NEVER,
    SHORTEST,
    SHORTEST_HUNG,
    SuspensionRow,
    Suspensions,
)
from statscache.schema.tables import create_tables

Make = Callable[[], Suspensions]
START = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


class Clock:
    """A clock that the test moves on, and can set."""

    def __init__(self) -> None:
        self.now = START
        self.set_by = timedelta(0)

    def __call__(self) -> datetime:
        return self.now + self.set_by

    def monotonic(self) -> float:
        return (self.now - START).total_seconds()


@pytest.fixture
def clock() -> Clock:
    """The present."""
    return Clock()


@pytest.fixture
def engine(database: str) -> Iterator[Engine]:
    """An engine on a database with the table."""
    engine = make_engine(database)
    create_tables(engine, [SuspensionRow.__table__])
    yield engine
    engine.dispose()


@pytest.fixture
def make(engine: Engine, clock: Clock) -> Make:
    """Makes suspensions as a daemon that has just started has them."""

    def make() -> Suspensions:
        suspensions = Suspensions(engine, clock, clock.monotonic)
        suspensions.load()
        return suspensions

    return make


def rows(engine: Engine) -> list[Any]:
    """Return the table."""
    with engine.connect() as connection:
        return list(connection.execute(text("SELECT * FROM statscache_suspension ORDER BY plugin")))


def pause(suspensions: Suspensions, clock: Clock, hung: bool = False) -> timedelta:
    """Suspend the plugin once more and return for how long, having let that time pass."""
    suspensions.suspend("a", "as the test says", hung)
    until = suspensions._found["a"].until
    length = until - clock.now
    clock.now = until if until < NEVER else clock.now + timedelta(days=1)
    return length


def test_a_suspension_holds_until_its_end(make: Make, clock: Clock) -> None:
    """A plugin is left alone up to the instant that is in the table, and the others are not."""
    suspensions = make()
    assert not suspensions.holds("a")
    suspensions.suspend("a", "why")
    assert suspensions.holds("a")
    assert not suspensions.holds("b")
    clock.now += SHORTEST - SECOND / 1000
    assert suspensions.holds("a")
    clock.now += SECOND / 1000
    assert not suspensions.holds("a")


@pytest.mark.parametrize("jump", [timedelta(hours=1), -timedelta(hours=1), -timedelta(days=400)])
def test_a_suspension_lasts_as_long_whatever_is_done_to_the_clock(
    make: Make, clock: Clock, jump: timedelta
) -> None:
    """It ends when its time is over, though the table is read again meanwhile; a start after the clock was set back
    lets it last once more at most."""
    suspensions = make()
    suspensions.suspend("a", "why")
    clock.set_by = jump
    suspensions.refresh()
    clock.now += SHORTEST - SECOND
    suspensions.refresh()
    assert suspensions.holds("a")
    again = make()
    clock.now += SECOND
    assert not suspensions.holds("a")
    assert not suspensions.present
    clock.now += SHORTEST
    assert not again.holds("a")


def test_pauses_double_up_to_a_bound(make: Make, clock: Clock) -> None:
    """Each suspension in a row is twice as long as the last, and none longer than six hours."""
    suspensions = make()
    lengths = [pause(suspensions, clock) for _ in range(14)]
    assert lengths[0] == SHORTEST
    assert all(b == min(2 * a, LONGEST) for a, b in pairwise(lengths))
    assert lengths[-1] == LONGEST


def test_pauses_after_hanging_double_and_then_never_end(make: Make, clock: Clock) -> None:
    """One that hung costs all others something, so its pauses are longer, and after five times it is for people."""
    suspensions = make()
    lengths = [pause(suspensions, clock, hung=True) for _ in range(HANGS)]
    assert lengths == [min(SHORTEST_HUNG * 2**n, LONGEST_HUNG) for n in range(HANGS)]
    pause(suspensions, clock, hung=True)
    clock.now += timedelta(days=3650)
    assert suspensions.holds("a")
    assert make().holds("a")


def test_people_can_end_any_suspension(make: Make, clock: Clock, engine: Engine) -> None:
    """Lifted, a plugin is tried again at once, and the table says so."""
    suspensions = make()
    for _ in range(HANGS + 1):
        pause(suspensions, clock, hung=True)
    suspensions.lift("a")
    assert not suspensions.holds("a")
    [row] = rows(engine)
    assert row.until == row.since
    assert not make().holds("a")


def test_what_works_again_is_still_remembered_for_a_week(make: Make, clock: Clock, engine: Engine) -> None:
    """A relapse within seven days goes on where the pauses were; after that they start anew."""
    suspensions = make()
    assert pause(suspensions, clock) == SHORTEST
    suspensions.lift("a")
    clock.now = rows(engine)[0].since + MEMORY - SECOND
    assert pause(suspensions, clock) == 2 * SHORTEST
    suspensions.lift("a")
    clock.now = rows(engine)[0].since + MEMORY
    assert pause(suspensions, clock) == SHORTEST


def test_a_plugin_is_unproven_until_it_works(make: Make, clock: Clock) -> None:
    """After the end of its suspension it is still to show that it works; lifting it for nothing does nothing."""
    suspensions = make()
    suspensions.lift("a")
    assert not suspensions.unproven("a")
    pause(suspensions, clock)
    assert (suspensions.holds("a"), suspensions.unproven("a")) == (False, True)
    suspensions.lift("a")
    assert not suspensions.unproven("a")


def test_a_restart_changes_nothing(make: Make, clock: Clock) -> None:
    """What was stored is loaded: the end, how often, and whether it has worked since."""
    before = make()
    lengths = [pause(before, clock) for _ in range(3)]
    after = make()
    assert after._found == before._found
    assert pause(after, clock) == 2 * lengths[-1]


def test_the_table_tells_people_why(make: Make, engine: Engine) -> None:
    """A row for each plugin, with the reason as it was last."""
    suspensions = make()
    for plugin, reason in (("a", "first"), ("b", "b's"), ("a", "second")):
        suspensions.suspend(plugin, reason)
    found = [(row.plugin, row.since, row.times, row.reason) for row in rows(engine)]
    assert found == [("a", START, 2, "second"), ("b", START, 1, "b's")]


def test_a_reason_that_postgresql_cannot_keep_is_kept_as_far_as_possible(make: Make, engine: Engine) -> None:
    """NUL and lone surrogates in a plugin's error do no harm."""
    suspensions = make()
    suspensions.suspend("a", "a\0b\ud800")
    assert suspensions.holds("a")
    assert rows(engine)[0].reason == "a\\x00b\\ud800"


def test_a_database_that_is_away_changes_nothing_but_the_table(
    make: Make, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """The suspension counts all the same, the log says that it is not stored, and it is when the database is back."""
    suspensions = make()
    away = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    suspensions._engine, back = away, suspensions._engine
    suspensions.suspend("a", "why")
    assert suspensions.holds("a")
    assert "the suspension of a could not be stored" in caplog.text
    suspensions._engine = back
    suspensions.refresh()
    assert [row.plugin for row in rows(engine)] == ["a"]
    assert suspensions.holds("a")


def test_another_process_can_end_a_suspension(make: Make) -> None:
    """What a person lifts with the command is known to the daemon with its next upkeep."""
    daemon, command = make(), None
    daemon.suspend("a", "why")
    command = make()
    command.lift("a")
    assert daemon.holds("a")
    daemon.refresh()
    assert not daemon.holds("a")


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 10**6)), max_size=40))
def test_no_history_gives_a_pause_out_of_bounds(contents: list[tuple[bool, bool, int]]) -> None:
    """Whatever happened, a suspension lasts at least a minute, and is no longer than its kind allows."""
    clock = Clock()
    away = create_engine("postgresql+psycopg2://nobody@127.0.0.1:1/none")
    suspensions = Suspensions(away, clock, clock.monotonic)
    suspensions._store = lambda plugin, *changed: None  # type: ignore[method-assign]
    for hung, works, seconds in contents:
        suspensions.suspend("a", "why", hung)
        found = suspensions._found["a"]
        assert found.until - found.since >= (SHORTEST_HUNG if hung else SHORTEST)
        assert found.until == NEVER or found.until - found.since <= (LONGEST_HUNG if hung else LONGEST)
        assert suspensions.holds("a")
        if works:
            suspensions.lift("a")
        clock.now += seconds * SECOND
