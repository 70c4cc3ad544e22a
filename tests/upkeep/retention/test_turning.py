"""A table that is there becomes the oldest partition of one in its place, while everybody goes on."""

from __future__ import annotations

import threading
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from statscache.schema.exchange.turning import Turning
from statscache.span import Span
from tests.support.hub import wait_for
from tests.support.recounting import START, body, count_all
from tests.support.retention import (
    TABLES,
    Hours,
    KeptBench,
    Minutes,
    Seconds,
    covers,
    drop_all,
    expected,
    keeping,
    rows,
)
from tests.support.sql import scalar
from tests.support.stopping import Killer
from tests.upkeep.retention.conftest import MakeKept
from tests.upkeep.retention.test_partitioning import DAY, days, partitions

TABLE = "test_words_1m"
#: What limits the table by the minute alone, to months.
KEEP = {"1m": timedelta(days=400)}
BODIES = [body(number) for number in range(720)]


def turning(bench: KeptBench, told: list[str] | None = None) -> Turning:
    """Return what turns the bench's table into a partition."""
    return Turning(bench.engine, bench.app.parts, KEEP, (told if told is not None else []).append)


def ahead(bench: KeptBench, number: int) -> int:
    """Return how many seconds after START a whole minute is that is so many days ahead of now."""
    [(now,)] = bench.execute("SELECT floor(extract(epoch FROM now()))::bigint")
    return int(now // 60 * 60) + number * DAY - START


@pytest.fixture
def words(make_kept: MakeKept) -> KeptBench:
    """A daemon that has counted two hours into tables that are not limited."""
    bench = make_kept(Seconds, Minutes, Hours)
    count_all(bench)
    return bench


def test_it_becomes_the_oldest_partition(words: KeptBench) -> None:
    """It has its file and its rows as before, and the next ones are made; nobody has removed anything."""
    file = scalar(words.engine, f"SELECT pg_relation_filenode('{TABLE}')")
    told: list[str] = []
    [turn] = turning(words, told).plan()
    assert (turn.name, turn.in_the_way) == (TABLE, [])
    assert turning(words, told).run() == []
    assert told == [str(turn), f"{TABLE}: done"]
    assert partitions(words, TABLE)[0] == "oldest"
    assert partitions(words, TABLE)[-1] == "rest"
    assert len(partitions(words, TABLE)) == 3
    assert scalar(words.engine, f"SELECT pg_relation_filenode('{TABLE}_oldest')") == file
    assert rows(words, TABLE) == expected(BODIES, 60)
    words.keep_up()
    assert words.execute("SELECT * FROM statscache_removed") == []
    assert turning(words).plan() == []


def test_it_is_counted_into_as_before(words: KeptBench) -> None:
    """Old, new and odd times find their rows."""
    odd = [ahead(words, 0), ahead(words, 70), ahead(words, 36500)]
    first = [{**body(0, "odd", second), "msg_id": f"first {second}"} for second in odd]
    again = [{**body(0, "odd", second), "msg_id": f"again {second}"} for second in odd]
    for each in first:
        words.intake.accept(each)
    words.flush()
    turning(words).run()
    for each in [*again, *({**its, "msg_id": f"again {its['msg_id']}"} for its in BODIES)]:
        words.intake.accept(each)
    words.flush()
    words.keep_up()
    assert rows(words, TABLE) == expected([*BODIES, *BODIES, *first, *again], 60)
    assert scalar(words.engine, f"SELECT count(*) FROM {TABLE}_rest") == 2
    assert scalar(words.engine, f"SELECT max(timestamp) < now() + interval '32 days' FROM {TABLE}_oldest")
    assert words.execute("SELECT * FROM statscache_removed") == []
    assert words.execute("SELECT * FROM statscache_quarantine") == []


def test_no_row_is_read_while_others_wait(words: KeptBench) -> None:
    """PostgreSQL knows by then that all rows are of before; a constraint that it knows it by is gone afterwards."""
    told: list[str] = []
    words.execute(f"ALTER DATABASE {words.engine.url.database} SET client_min_messages = debug1")
    words.engine.dispose()
    event.listen(
        words.engine, "after_cursor_execute", lambda c, cursor, *_: told.extend(cursor.connection.notices)
    )
    turning(words).run()
    assert any(f'"{TABLE}_oldest" is implied by existing constraints' in line for line in told)
    assert (
        scalar(words.engine, "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'statscache_before%'")
        == 0
    )
    assert scalar(words.engine, "SELECT count(*) FROM pg_proc WHERE proname LIKE '%statscache_before'") == 0


def test_a_constraint_that_waits_refuses_nothing(words: KeptBench) -> None:
    """Killed before the exchange, for however long: rows of any time are written; the next run goes on, or anew."""
    its = turning(words)
    killed_at(words, "ATTACH PARTITION", its)
    proof = f"SELECT conname FROM pg_constraint WHERE conrelid = '{TABLE}'::regclass AND conname LIKE 'statscache%'"
    [(name,)] = words.execute(proof)
    odd = [{**body(0, "odd", ahead(words, number)), "msg_id": f"odd {number}"} for number in (40, 36500)]
    for each in odd:
        words.intake.accept(each)
    words.flush()
    assert rows(words, TABLE) == expected([*BODIES, *odd], 60)
    words.execute(f"ALTER TABLE {TABLE} RENAME CONSTRAINT {name} TO statscache_before_1700000000")
    its.run()
    assert rows(words, TABLE) == expected([*BODIES, *odd], 60)
    assert words.execute(proof) == []
    assert words.execute("SELECT * FROM statscache_quarantine") == []


def killed_at(bench: KeptBench, needle: str, its: Turning) -> None:
    """Break the connection before a statement."""

    def kill(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if needle in statement:
            connection.connection.dbapi_connection.close()
            raise ConnectionError("killed")

    event.listen(bench.engine, "before_cursor_execute", kill)
    with pytest.raises((ConnectionError, DBAPIError), match=r"killed|closed"):
        its.run()
    event.remove(bench.engine, "before_cursor_execute", kill)


def test_killed_before_any_statement_it_goes_on_where_it_was(words: KeptBench) -> None:
    """Each time the table has all rows, under its name, and is counted into."""
    killer, counted = Killer(words.engine), list(BODIES)
    turn = turning(words)
    for statements in range(1000):
        killer.left = statements
        done = False
        with suppress(DBAPIError, ConnectionError):
            turn.run()
            done = True
        killer.left = None
        if done:
            break
        if statements % 5 == 0:
            counted.append({**body(0, "more", 60 * statements), "msg_id": f"more {statements}"})
            words.intake.accept(counted[-1])
            words.flush()
        assert rows(words, TABLE) == expected(counted, 60)
    assert killer.kills > 30
    words.keep_up()
    assert partitions(words, TABLE)[0] == "oldest"
    assert rows(words, TABLE) == expected(counted, 60)
    assert words.execute("SELECT * FROM statscache_removed") == []


def test_what_is_removed_by_hand_right_after_it_is_noted(words: KeptBench) -> None:
    """From the table and from each partition."""
    its = turning(words)
    killed_at(words, "pg_get_partkeydef(whole", its)
    for number, (name, second) in enumerate(((TABLE, 0), (f"{TABLE}_oldest", 60)), 1):
        with words.engine.begin() as connection:
            connection.execute(text("SET LOCAL statscache.writes = ''"))
            connection.execute(
                text(f"DELETE FROM {name} WHERE timestamp = to_timestamp(:at)"), {"at": START + second}
            )
        assert scalar(words.engine, "SELECT count(*) FROM statscache_removed WHERE how = 'DELETE'") == number


def test_who_reads_it_is_waited_for(words: KeptBench) -> None:
    """And who counts is not kept waiting for long meanwhile."""
    with words.engine.connect() as reader:
        reader.execute(text(f"SELECT count(*) FROM {TABLE}"))
        work = threading.Thread(target=turning(words).run)
        work.start()
        for number in range(3):
            words.intake.accept({**body(0, "more", number), "msg_id": f"more {number}"})
            words.flush()
        work.join(3)
        assert work.is_alive()
        assert partitions(words, TABLE) == []
    work.join(60)
    assert not work.is_alive()
    assert partitions(words, TABLE)[0] == "oldest"
    more = [body(0, "more", number) for number in range(3)]
    assert rows(words, TABLE) == expected([*BODIES, *more], 60)


def count_meanwhile(bench: KeptBench, bodies: list[dict[str, Any]], ends: threading.Event) -> None:
    """Let a daemon count messages, of odd times to come, too, until the other work ends."""
    while not ends.is_set():
        number = len(bodies)
        second = 60 * number if number % 3 else (1000 + number) * DAY
        bodies.append({**body(0, f"w{number % 7}", second), "msg_id": f"{id(bench)} {number}"})
        bench.intake.accept(bodies[-1])
        bench.flush()


def test_daemons_count_all_the_time(words: KeptBench, make_kept: MakeKept, tmp_path: Path) -> None:
    """Each message once, in the right cell, wherever the table is just then."""
    other = make_kept(Seconds, Minutes, Hours, spool_directory=tmp_path / "other")
    ends, counted = threading.Event(), {words: list[Any](), other: list[Any]()}
    threads = [threading.Thread(target=count_meanwhile, args=(*its, ends)) for its in counted.items()]
    for thread in threads:
        thread.start()
    wait_for("both to count", lambda: all(len(bodies) > 5 for bodies in counted.values()))
    turning(words).run()
    before = {bench: len(bodies) + 5 for bench, bodies in counted.items()}
    wait_for("both to go on", lambda: all(len(counted[bench]) > number for bench, number in before.items()))
    ends.set()
    for thread in threads:
        thread.join(60)
    assert partitions(words, TABLE)[0] == "oldest"
    everything = [*BODIES, *(each for bodies in counted.values() for each in bodies)]
    for table, length in TABLES.items():
        assert rows(words, table) == expected(everything, length)
    assert words.execute("SELECT * FROM statscache_quarantine") == []
    words.keep_up()
    assert words.execute("SELECT * FROM statscache_removed") == []


def test_it_is_dropped_whole_when_all_of_it_may_go(words: KeptBench) -> None:
    """As any other partition; the time from then on stays."""
    turning(words).run()
    words.execute(f"ALTER TABLE {TABLE} DETACH PARTITION {TABLE}_oldest")  # as if that had been long ago
    words.execute(
        f"ALTER TABLE {TABLE} ATTACH PARTITION {TABLE}_oldest FOR VALUES FROM (MINVALUE) TO ('2023-12-01Z')"
    )
    stop = int(datetime(2023, 12, 1, tzinfo=UTC).timestamp())
    covers(words, span=Span(START, stop + 401 * DAY))
    later = {**body(0, "later", stop - START + DAY), "msg_id": "later"}
    words.intake.accept(later)
    words.flush()
    dropped = drop_all(words, keeping(words, _1m=KEEP["1m"]))
    assert dropped[-1].span == Span(START, stop)
    assert "oldest" not in partitions(words, TABLE)
    assert rows(words, TABLE) == expected([later], 60)
    words.keep_up()
    assert words.execute("SELECT * FROM statscache_removed") == []


def test_the_next_partitions_are_made_by_the_day_where_little_is_kept(words: KeptBench) -> None:
    """From the day after it on."""
    told: list[str] = []
    keep = {"1m": timedelta(days=30)}
    Turning(words.engine, words.app.parts, keep, told.append).run()
    assert partitions(words, TABLE) == ["oldest", *days(words, "p%Y_%m_%d", 1, 2, 3), "rest"]
