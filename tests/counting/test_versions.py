"""By which versions of a plugin figures were counted is known, whatever comes after whatever."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Text
from sqlalchemy.orm import mapped_column
from urllib3 import Retry

from statscache.database.lock import counting
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.history.slice_counter import SliceCounter
from statscache.messages.message import Message
from statscache.plugins import Base, BasePlugin, FirstSeenPlugin, first_seen_model
from statscache.plugins import Message as PluginMessage
from statscache.query.completeness import read_completeness
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.coverage import cover
from statscache.store.gaps import record_gap
from tests.support.bench import Bench, Good
from tests.support.recounting import HOURS, START, body, count_all
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
HOUR = 3600


class Second(Good):
    """The same statistic, counted otherwise."""

    version = 2


class Third(Good):
    version = 3


class Beside(Good):
    """Another plugin that writes the same table."""

    name = "beside"
    version = 5

    def process(self, message: PluginMessage) -> None:
        pass


def named(bench: Bench, start: int, stop: int, table: str = "test_good") -> tuple[int, ...]:
    """Return the versions that have counted a time, in seconds since START."""
    with bench.engine.connect() as connection:
        known = read_completeness(connection, [table], START - HOUR, START + 4 * HOUR)
    return known.versions(START + start, START + stop)


def by_minute(bench: Bench, start: int = 0, stop: int = 7200) -> list[tuple[int, ...]]:
    """Return the versions that have counted each minute."""
    with bench.engine.connect() as connection:
        known = read_completeness(connection, ["test_good"], START - HOUR, START + 4 * HOUR)
    return [known.versions(START + each, START + each + 60) for each in range(start, stop, 60)]


def noted(bench: Bench) -> int:
    ((count,),) = bench.execute("SELECT count(*) FROM statscache_version")
    return int(count)


def half(bench: Bench) -> None:
    """Let the first hour be counted."""
    count_all(bench, range(360), Span(START, START + HOUR))


def test_one_version_needs_no_row(make_bench: Make) -> None:
    """Also of a daemon that made the table before plugins had versions."""
    bench = make_bench(Good)
    half(bench)
    bench.execute("UPDATE statscache_plugin SET version = NULL")
    assert set(by_minute(bench)) == {(1,)}
    make_bench(Good)
    assert (noted(bench), named(bench, -HOUR, 0)) == (0, (1,))
    assert bench.execute("SELECT version FROM statscache_plugin") == [(1,)]


def test_what_was_counted_before_keeps_its_version(
    make_bench: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """To the second: the next one, and what was before, is of the new version."""
    half(make_bench(Good))
    caplog.set_level("INFO")
    later = make_bench(Second)
    assert "good counts by version 2 from now on, instead of 1" in caplog.text
    assert by_minute(later) == [(1,)] * 60 + [(2,)] * 60
    assert (named(later, -1, 0), named(later, 0, 1), named(later, -1, 1)) == ((2,), (1,), (1, 2))
    assert (named(later, 3599, 3600), named(later, 3600, 3601), named(later, 3599, 3601)) == (
        (1,),
        (2,),
        (1, 2),
    )
    count_all(later, range(360, 720), Span(START + HOUR, START + 2 * HOUR))
    assert by_minute(later) == [(1,)] * 60 + [(2,)] * 60
    assert noted(later) == 1


def test_a_version_that_comes_back_counts_on(make_bench: Make) -> None:
    """What the newer one counted meanwhile stays its own."""
    half(make_bench(Good))
    second = make_bench(Second)
    count_all(second, range(360, 540), Span(START + HOUR, START + 5400))
    first = make_bench(Good)
    count_all(first, range(540, 720), Span(START + 5400, START + 7200))
    assert by_minute(first) == [(1,)] * 60 + [(2,)] * 30 + [(1,)] * 30
    third = make_bench(Third)
    assert by_minute(third) == [(1,)] * 60 + [(2,)] * 30 + [(1,)] * 30
    assert named(third, 7200, 7260) == (3,)


def test_rows_that_nothing_covers_are_of_the_version_before_too(make_bench: Make) -> None:
    """Where messages were lost, and where some are dated ahead."""
    bench = make_bench(Good)
    count_all(bench, range(180), Span(START, START + HOUR))
    bench.intake.accept(body(9000, "x", 9000))
    bench.flush()
    with counting(bench.engine) as connection:
        record_gap(connection, ["good"], Loss(2, START + 600, START + 1199, 0, "lost"))
    later = make_bench(Second)
    assert by_minute(later) == [(1,)] * 60 + [(2,)] * 60
    assert (named(later, 8940, 9000), named(later, 9000, 9060), named(later, 9060, 9120)) == (
        (2,),
        (1,),
        (2,),
    )


class Seen(FirstSeenPlugin):
    """Has rows of two times each, and no windows."""

    name = summary = description = "seen"
    model = first_seen_model("test_seen_by_versions", "seen", word="the word")

    def process(self, message: PluginMessage) -> None:
        self.seen(message, message["msg"]["word"])


class SeenAnew(Seen):
    version = 2


class Timeless(BasePlugin):
    """Has rows that do not say of which time they are."""

    name = summary = description = "timeless"
    model = type(
        "TimelessRow",
        (Base,),
        {"__tablename__": "test_timeless", "word": mapped_column(Text, primary_key=True)},
    )

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.words: set[str] = set()

    def process(self, message: PluginMessage) -> None:
        self.words.add(message["msg"]["word"])

    def update(self, session: Any) -> None:
        for word in sorted(self.words):
            session.merge(self.model(word=word))
        self.words.clear()


class TimelessAnew(Timeless):
    version = 2


def test_first_and_last_times_that_nothing_covers_are_of_the_version_before_too(make_bench: Make) -> None:
    """Each of them, to the second; what lies between is not a row's."""
    bench = make_bench(Seen)
    for second in (10, 500):
        bench.intake.accept(body(second, "x", second))
        bench.flush()
    later = make_bench(SeenAnew)
    table = Seen.model.__tablename__
    found = {second: named(later, second, second + 1, table) for second in (9, 10, 11, 499, 500, 501)}
    assert found == {9: (2,), 10: (1,), 11: (2,), 499: (2,), 500: (1,), 501: (2,)}


def test_rows_without_a_time_may_be_of_the_version_before_until_now(make_bench: Make) -> None:
    """Whatever is covered, as nobody can tell; what the next version counts of that time is of both."""
    bench = make_bench(Timeless)
    bench.intake.accept(body(1, "x"))
    bench.flush()
    later = make_bench(TimelessAnew)
    assert named(later, -HOUR, 2 * HOUR, "test_timeless") == (1,)
    later.intake.accept(body(2, "y"))
    later.flush()
    assert named(later, 20, 21, "test_timeless") == (1, 2)
    with later.engine.connect() as connection:
        ahead = int(time.time()) + HOUR
        known = read_completeness(connection, ["test_timeless"], 0, ahead + HOUR)
    assert known.versions(ahead, ahead + 1) == (2,)


LATE: dict[str, Callable[[Bench], Any]] = {
    "over the bus": lambda bench: (bench.intake.accept(body(5000, "x", 70)), bench.flush()),
    "in a file": lambda bench: SliceCounter(bench.app).count_loose(
        [Message(body(5000, "x", 70), bench.app.naming)]
    ),
}


@pytest.mark.parametrize("way", LATE)
def test_a_late_message_is_counted_by_the_new_version_too(way: str, make_bench: Make) -> None:
    """Its window is of both."""
    half(make_bench(Good))
    later = make_bench(Second, ledger_keep=timedelta(days=20_000))
    LATE[way](later)
    assert later.volume("test_good") == 361
    assert by_minute(later) == [(1,), (1, 2), *[(1,)] * 58, *[(2,)] * 60]
    assert (named(later, 69, 70), named(later, 70, 71), named(later, 71, 72)) == ((1,), (1, 2), (1,))


def test_a_message_from_the_quarantine_is_counted_by_the_new_version(make_bench: Make) -> None:
    def refuse(self: Good, message: PluginMessage) -> None:
        raise ValueError("as the test says")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Good, "process", refuse)
        half(make_bench(Good))
    later = make_bench(Second)
    later.execute("DELETE FROM statscache_quarantine WHERE msg_id <> 'm30'")
    assert later.retry("good") == 1
    assert by_minute(later, 0, 600) == [(1,)] * 5 + [(1, 2)] + [(1,)] * 4


def test_history_that_fills_a_gap_is_of_the_new_version(make_bench: Make) -> None:
    """Where the old one had counted some of a window, both are named."""
    bench = make_bench(Good)
    count_all(bench, range(360), Span(START, START + HOUR))
    with counting(bench.engine) as connection:
        record_gap(connection, ["good"], Loss(2, START + 630, START + 1199, 0, "lost"))
    bench.execute("DELETE FROM test_good WHERE timestamp >= to_timestamp(:s) AND timestamp < to_timestamp(:e)",
                  s=START + 660, e=START + 1200)  # fmt: skip
    later = make_bench(Second)
    with counting(later.engine) as connection:
        cover(connection, ["good"], Span(START + 630, START + 1200))
    assert by_minute(later, 600, 1260) == [(1, 2), *[(2,)] * 9, (1,)]


def test_a_daemon_of_the_old_version_beside_one_of_the_new_names_both(make_bench: Make) -> None:
    """Nobody knows which of the two counts what, until the old one has ended."""
    old = make_bench(Good)
    half(old)
    new = make_bench(Second)
    old.intake.accept(body(400))
    old.flush()
    assert named(new, 4000, 4001) == (1, 2)
    new.intake.accept(body(401))
    new.flush()
    assert named(new, 4010, 4011) == (2,)


def test_two_plugins_on_one_table_are_both_named(make_bench: Make) -> None:
    bench = make_bench(Good, Beside)
    half(bench)
    assert set(by_minute(bench)) == {(1, 5)}
    later = make_bench(Second, Beside)
    assert by_minute(later) == [(1, 5)] * 60 + [(2, 5)] * 60


def test_nothing_is_known_where_an_older_daemon_has_made_the_view(make_bench: Make) -> None:
    """What is complete is known all the same."""
    bench = make_bench(Good)
    half(bench)
    bench.execute("ALTER VIEW statscache_freshness RENAME TO newer")
    bench.execute("CREATE VIEW statscache_freshness AS SELECT table_name, complete FROM newer")
    with bench.engine.connect() as connection:
        known = read_completeness(connection, ["test_good"], START, START + 7200)
    assert (known.covers(START, START + HOUR), known.versions(START, START + HOUR)) == (True, ())
    bench.execute("DROP VIEW statscache_freshness")
    bench.execute("ALTER VIEW newer RENAME TO statscache_freshness")


def test_a_rebuild_clears_what_was_counted_before(make_bench: Make, two_hours: Archive) -> None:
    """In the windows that are counted again; when all are, no row is left."""
    count_all(make_bench(Good))
    later = make_bench(Second)
    assert set(by_minute(later)) == {(1,)}
    archive = Datagrepper(two_hours.url, retry=Retry(total=0))
    rebuild(later.app, archive, ["good"], Span(START + 600, START + 1190), lambda sentence: None)
    assert by_minute(later) == [(1,)] * 10 + [(2,)] * 9 + [(1,)] * 101
    rebuild(later.app, archive, [], HOURS, lambda sentence: None)
    assert (set(by_minute(later)), noted(later)) == ({(2,)}, 0)


def test_what_changes_nothing_is_not_written(make_bench: Make) -> None:
    """A time that is noted already is not noted again by each flush."""
    half(make_bench(Good))
    later = make_bench(Second)
    for number in (5000, 5001):
        later.intake.accept(body(number, "x", 70))
        later.flush()
        rows = later.execute("SELECT xmin::text, version FROM statscache_version ORDER BY version")
        if number == 5000:
            before = rows
    assert rows == before


@pytest.mark.parametrize("seed", range(3))
def test_no_version_that_has_counted_is_left_out(seed: int, make_bench: Make) -> None:
    """However often daemons of several versions start, and count side by side."""
    chance = random.Random(seed)
    kinds = (Good, Second, Third)
    benches = [make_bench(Good)]
    truth: dict[int, set[int]] = {}
    for number in range(60):
        if chance.random() < 0.1:
            benches.append(make_bench(chance.choice(kinds)))
        bench = chance.choice(benches[-2:])
        second = chance.randrange(1800)
        bench.intake.accept(body(number, "x", second))
        bench.flush()
        truth.setdefault(second // 60, set()).add(bench.app.plugins["good"].version)
        if chance.random() < 0.2:
            with counting(bench.engine) as connection:
                cover(connection, ["good"], Span(START + second, START + second + chance.randrange(1, 300)))
    found = by_minute(benches[0], 0, 1800)
    for minute, versions in truth.items():
        assert versions <= set(found[minute])
    assert {version for its in found for version in its} <= {b.app.plugins["good"].version for b in benches}
