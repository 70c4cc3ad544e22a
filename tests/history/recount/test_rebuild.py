"""Windows are counted again from an archive, and take the place of the old figures at one instant."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, text
from sqlalchemy.exc import DBAPIError
from urllib3 import Retry

from statscache.daemon import Daemon
from statscache.errors import StatscacheError
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.findings import Report
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.verify import Verification
from statscache.span import Span
from statscache.store.coverage import covered
from statscache.store.removals import Removal, removals
from tests.support.bench import Bad, Bench, Good, Keeper, Other
from tests.support.hub import wait_for
from tests.support.recounting import HOURS, START, Latest, body, count_all, dump, refuse
from tests.support.shared import read_lines
from tests.support.sql import run
from tests.system.datagrepper import Archive, Fault

Make = Callable[..., Bench]
OURS = ("test_good", "test_other", "test_latest")


def again(
    bench: Any, archive: Archive, plugins: Collection[str] = (), span: Span = HOURS, **extra: Any
) -> Report:
    """Rebuild."""
    source = Datagrepper(archive.url, retry=Retry(total=0))
    extra = {"report": lambda sentence: None, "pauses": (0.0, 0.0), **extra}
    return rebuild(bench.app, source, plugins, span, **extra)


def figures(engine: Engine) -> dict[str, list[str]]:
    """Return all rows of all tables, but for those that tell what ran when."""
    volatile = ("statscache_plugin", "statscache_coverage", "statscache_spool", "statscache_relation")
    return {name: rows for name, rows in dump(engine).items() if name not in volatile}


DAMAGE = [
    "DELETE FROM test_good WHERE word = 'a' AND timestamp < to_timestamp(:start + 600)",
    "UPDATE test_good SET volume = volume + 1 WHERE word = 'b'",
    "INSERT INTO test_good VALUES (to_timestamp(:start + 7140), 'z', 3)",
    "DELETE FROM test_good",
    "DELETE FROM test_latest WHERE category_constraint = 'a'",
    "UPDATE test_latest SET message = '{}', rank = 3",
    "UPDATE test_latest SET timestamp = to_timestamp(:start - 5), msg_id = 'x'",
    "INSERT INTO test_latest VALUES ('word', 'z', to_timestamp(:start), 0, 'x', '{}')",
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_mended(damage: str, make_bench: Make, two_hours: Archive) -> None:
    """Rows that lack, that are too many and that were changed; nothing else changes by a cell."""
    bench = make_bench(Good, Other, Latest)
    count_all(bench)
    before = figures(bench.engine)
    bench.execute(damage, start=START)
    changed = figures(bench.engine)
    report = again(bench, two_hours)
    after = figures(bench.engine)
    assert report.differing == sum(
        len(set(before[t]) ^ set(changed[t])) - _pairs(before[t], changed[t]) for t in OURS
    )
    assert _whole_seconds(after) == _whole_seconds(before)
    assert again(bench, two_hours).differing == 0
    assert figures(bench.engine) == after


def _pairs(one: list[str], other: list[str]) -> int:
    """Return how many rows differ in other columns than the key."""

    def keys(rows: set[str]) -> set[str]:
        return {",".join(row.split(",")[:2]) for row in rows}

    return len(keys(set(one) - set(other)) & keys(set(other) - set(one)))


def _whole_seconds(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """Archives cut instants to seconds."""
    return {name: [row.replace(".5+00", "+00") for row in rows] for name, rows in tables.items()}


def test_columns_that_a_later_version_fills_by_itself_hinder_nothing(
    make_bench: Make, two_hours: Archive
) -> None:
    """They must not be null, and what fills them for whoever writes is on the real table only."""
    bench = make_bench(Good)
    count_all(bench)
    bench.execute("ALTER TABLE statscache_ledger ADD length bigint NOT NULL DEFAULT 1")
    bench.execute("ALTER TABLE statscache_ledger ALTER length DROP DEFAULT")
    assert again(bench, two_hours).differing == 0


def test_what_somebody_removed_is_complete_again(make_bench: Make, two_hours: Archive, database: str) -> None:
    """A verification leaves it out, and a rebuild brings it back."""
    bench = make_bench(Good, Other)
    count_all(bench)
    before = figures(bench.engine)
    other = create_engine(database)
    run(other, f"DELETE FROM test_good WHERE word = 'a' AND timestamp < to_timestamp({START + 600})")
    incomplete = "SELECT isempty(removed) FROM statscache_freshness WHERE table_name = 'test_good'"
    assert bench.execute(incomplete) == [(False,)]
    checked = Verification(bench.app, ["good"], HOURS.start, HOURS.stop)
    assert checked.report.findings[0].incomplete[0] == Span(START, START + 600)
    assert again(bench, two_hours, ["good"], Span(START, START + 300)).differing == 5
    assert [removal.start.timestamp() for removal in _removals(other) if removal.start] == [START + 300]
    assert again(bench, two_hours, ["good"]).differing == 5
    assert bench.execute(incomplete) == [(True,)]
    assert figures(bench.engine) == before
    other.dispose()


def _removals(engine: Engine) -> list[Removal]:
    with engine.connect() as connection:
        return removals(connection)


def test_only_the_plugins_and_windows_that_are_named_are_rebuilt(
    make_bench: Make, two_hours: Archive
) -> None:
    """The first window is that in which the time starts, the last ends before the time does."""
    bench = make_bench(Good, Other)
    count_all(bench)
    bench.execute("UPDATE test_good SET volume = 7")
    bench.execute("UPDATE test_other SET volume = 7")
    said: list[str] = []
    report = again(bench, two_hours, ["good"], Span(START + 90, START + 239), report=said.append)
    assert said == ["counting 2023-11-14 22:01:00 to 2023-11-14 22:03:00 UTC again for good"]
    assert report.differing == 6
    mended = bench.execute("SELECT count(*) FILTER (WHERE volume = 2), count(*) FROM test_good")
    assert mended == [(6, 360)]
    assert bench.volume("test_other") == 7 * 360


def test_what_was_not_complete_is_complete_then(make_bench: Make, two_hours: Archive) -> None:
    """Coverage of the windows is added."""
    bench = make_bench(Good, Latest)
    count_all(bench, range(180, 540), Span(START + 1790, START + 5410))
    again(bench, two_hours)
    assert bench.volume("test_good") == 720
    with bench.engine.connect() as connection:
        assert covered(connection, ["good", "latest"], HOURS) == {"good": [HOURS], "latest": [HOURS]}


def test_a_state_that_is_later_stays(make_bench: Make, two_hours: Archive) -> None:
    """Also where the span has another one."""
    bench = make_bench(Latest)
    count_all(bench, range(719))
    bench.intake.accept(body(900, "a"))
    bench.flush()
    bench.execute("UPDATE test_latest SET message = '{}' WHERE category_constraint <> 'a'")
    assert again(bench, two_hours).differing == 2
    found = bench.execute("SELECT category_constraint, msg_id FROM test_latest ORDER BY 1")
    assert found == [("a", "m900"), ("b", "m718"), ("c", "m719")]


def test_the_quarantine_is_that_of_the_recount(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Messages that count now leave it, and others come in; those of other plugins and times stay."""
    monkeypatch.setattr(Good, "process", refuse("b"))
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(lambda session: None)
    monkeypatch.setattr(Bad, "process", refuse("b"))
    count_all(bench, [*range(720), 721])  # the last is later than the span, a "b"
    monkeypatch.setattr(Good, "process", refuse("c"))
    report = again(make_bench(Good, Bad), two_hours, ["good"])
    assert (report.findings[0].set_aside, report.differing) == (240, 240)
    by_word = {word: {f"m{n}" for n in range(start, 720, 3)} for start, word in enumerate("abc")}
    assert set(bench.quarantined("good")) == by_word["c"] | {"m721"}
    assert set(bench.quarantined("bad")) == by_word["b"] | {"m721"}
    orphans = """
        SELECT count(*) FROM statscache_quarantine_body AS b
        WHERE NOT EXISTS (SELECT FROM statscache_quarantine AS q WHERE q.msg_id = b.msg_id)
    """
    assert bench.execute(orphans) == [(0,)]
    assert bench.volume("test_good") == 480
    monkeypatch.undo()
    mended = make_bench(Good, Bad)
    assert mended.retry("good") == 241
    assert mended.volume("test_good") == 721


def test_messages_that_come_during_the_rebuild_are_not_lost(make_bench: Make, two_hours: Archive) -> None:
    """A daemon counts more of the span after the archive was read: the archive is asked again."""
    bench = make_bench(Good, Latest)
    count_all(bench)
    late = [body(5000 + n, "a", 700 * n) for n in range(10)]

    def count_late(number: int, arguments: Any) -> None:
        if number == 1:
            for one in late:
                bench.intake.accept(one)
            bench.flush()
            two_hours.add(late, request=12)

    two_hours.on_answer = count_late
    bench.execute("DELETE FROM test_good")
    again(bench, two_hours)
    assert bench.volume("test_good") == 730
    assert again(bench, two_hours).differing == 0


@pytest.mark.slow
def test_a_daemon_that_counts_all_the_while_loses_and_doubles_nothing(
    make_bench: Make, two_hours: Archive
) -> None:
    """Late messages into the span, and others, from another thread, while windows are rebuilt again and again."""
    bench = make_bench(Good, Other)
    count_all(bench)
    sent: list[int] = []
    over = threading.Event()

    def live() -> None:
        while not over.is_set():
            number = 10_000 + len(sent)
            late = number % 20 == 0
            one = body(number, second=(number * 37) % 7200 + 0.25 + (0 if late else 7200))
            bench.intake.accept(one)
            bench.flush()
            two_hours.add([one])
            sent.append(number)
            time.sleep(0.02)

    with ThreadPoolExecutor() as pool:
        running = pool.submit(live)
        try:
            while len(sent) < 60:
                again(bench, two_hours, pauses=(0.1,) * 20)
        finally:
            over.set()
        running.result()
    assert bench.volume("test_good") == bench.volume("test_other") == 720 + len(sent)
    assert again(bench, two_hours).differing == 0


def test_nothing_changes_if_the_archive_lacks_what_was_counted(make_bench: Make, two_hours: Archive) -> None:
    """It is told how many messages it lacks."""
    bench = make_bench(Good, Other)
    for number in (5000, 5001):
        bench.intake.accept(body(number, "x", 10))
    count_all(bench)
    bench.execute("DELETE FROM test_good WHERE word = 'a'")
    before = dump(bench.engine)
    with pytest.raises(StatscacheError, match="the archive lacks 2 counted messages, such as m5000"):
        again(bench, two_hours)
    assert dump(bench.engine) == before


def test_nothing_changes_if_the_archive_has_a_hole(make_bench: Make, two_hours: Archive) -> None:
    """All or nothing."""
    bench = make_bench(Good)
    count_all(bench)
    bench.execute("DELETE FROM test_good WHERE word = 'a'")
    before = dump(bench.engine)
    two_hours.fail(Fault.BAD_GATEWAY, around=START + 3600.5)
    with pytest.raises(StatscacheError, match=r"nothing was changed: .* did not give"):
        again(bench, two_hours)
    assert dump(bench.engine) == before


def test_nothing_changes_if_a_plugin_fails(make_bench: Make, two_hours: Archive) -> None:
    """Where it fails for nearly all messages, the old figures are better than none."""
    bench = make_bench(Good, Bad)
    Bad.trouble = staticmethod(lambda session: None)
    count_all(bench)
    bench.execute("DELETE FROM test_good WHERE word = 'a'")
    before = dump(bench.engine)
    Bad.trouble = staticmethod(lambda session: 1 / 0)
    with pytest.raises(StatscacheError, match=r"bad fails for too many messages, bad: .*division"):
        again(bench, two_hours)
    assert dump(bench.engine) == before


def test_a_plugin_of_unknown_shape_is_left_as_it_is(make_bench: Make, two_hours: Archive) -> None:
    """The others are rebuilt, and it is told."""
    bench = make_bench(Keeper, Good)
    count_all(bench)
    bench.execute("DELETE FROM test_good")
    said: list[str] = []
    again(bench, two_hours, report=said.append)
    assert said[0].startswith("keeper cannot be counted again")
    assert (bench.volume("test_good"), bench.volume("test_keeper")) == (720, 720)


def test_windows_that_are_not_over_are_not_rebuilt(make_bench: Make, two_hours: Archive) -> None:
    """The present is the daemon's."""
    bench = make_bench(Good)
    now = int(time.time())
    with pytest.raises(StatscacheError, match=r"there is nothing to count again: no window of .* is over"):
        again(bench, two_hours, span=Span(now - 200, now))


def test_what_was_rebuilt_does_not_count_again(make_bench: Make) -> None:
    """The ledger knows what came from the archive, also for plugins that had not had it."""
    recent = int(time.time()) // 3600 * 3600 - 7200
    bodies = [{**body(n), "timestamp": recent + 10 * n + 0.5} for n in range(360)]
    archive = Archive(bodies)
    bench = make_bench(Good, Other)
    for one in bodies[:100]:
        bench.intake.accept(one)
    bench.flush()
    bench.execute("DELETE FROM statscache_ledger WHERE msg_id < 'm3'")
    again(bench, archive, ["good"], Span(recent, recent + 3600))
    archive.close()
    for one in bodies:
        bench.intake.accept(one)
    bench.flush()
    known = bench.execute("SELECT count(*) FROM statscache_ledger")
    assert (bench.volume("test_good"), known) == (360, [(360,)])
    lost = sum(one["msg_id"] < "m3" for one in bodies[:100])
    assert bench.volume("test_other") == 360 + lost  # it was not rebuilt, and its ledger was damaged


def test_a_lost_connection_changes_nothing(make_bench: Make, two_hours: Archive) -> None:
    """What was counted again went with it; a new connection would see the real tables, so there is none."""
    bench = make_bench(Good)
    count_all(bench)
    before = dump(bench.engine)

    def lose(number: int, arguments: Any) -> None:
        if number == 1:
            bench.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    two_hours.on_answer = lose
    with pytest.raises((StatscacheError, DBAPIError)):
        again(bench, two_hours)
    assert dump(bench.engine) == before


# In the middle of the exchange


def hold(engine: Engine) -> Any:
    """Keep the exchange from its end: it has written the figures, and has to wait for the coverage."""
    connection = engine.connect()
    connection.execute(text("LOCK TABLE statscache_coverage IN SHARE MODE"))
    return connection


def is_waiting(engine: Engine) -> bool:
    query = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'statscache_coverage'::regclass"
    with engine.connect() as connection:
        return bool(connection.scalar(text(query)))


def test_readers_see_the_old_figures_until_the_commit(
    make_bench: Make, two_hours: Archive, engine: Engine
) -> None:
    """The new ones come all at once."""
    bench = make_bench(Good, Other)
    count_all(bench)
    bench.execute("UPDATE test_good SET volume = 7")
    bench.execute("UPDATE test_other SET volume = 7")
    holder = hold(engine)
    with ThreadPoolExecutor() as pool:
        running = pool.submit(again, bench, two_hours)
        wait_for("the exchange", lambda: is_waiting(engine))
        assert (bench.volume("test_good"), bench.volume("test_other")) == (2520, 2520)
        holder.close()
        assert running.result().differing == 720
    assert (bench.volume("test_good"), bench.volume("test_other")) == (720, 720)


def rebuild_alone(database: str, archive: str, directory: Path) -> None:
    """Rebuild in a process of its own."""
    bench = Bench(database, directory, Good)
    rebuild(bench.app, Datagrepper(archive), (), HOURS, print)


def test_a_rebuild_that_is_killed_leaves_all_as_it_was(
    make_bench: Make, two_hours: Archive, engine: Engine, database: str, tmp_path: Path
) -> None:
    """Nor does it leave a table behind."""
    bench = make_bench(Good)
    count_all(bench)
    bench.execute("UPDATE test_good SET volume = 7")
    holder = hold(engine)
    before = figures(engine)
    arguments = (database, two_hours.url, tmp_path / "other")
    process = multiprocessing.get_context("spawn").Process(target=rebuild_alone, args=arguments)
    process.start()
    holder.close()  # a daemon's start writes there, too
    wait_for("the archive to be read", lambda: bool(two_hours.log()))
    holder = hold(engine)
    wait_for("the exchange", lambda: is_waiting(engine))
    assert process.pid
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    holder.close()
    left = "SELECT count(*) FROM pg_class WHERE relpersistence = 't' AND relname LIKE 'test%'"
    wait_for("the session to end", lambda: bench.execute(left) == [(0,)])
    assert figures(engine) == before
    assert again(bench, two_hours).differing == 360


def test_our_own_plugins_come_to_the_same_again(daemon: Daemon, shared: Path) -> None:
    """Every table, of real messages put into one day, is equal cell by cell; of the states, to the second."""
    bodies = [line["message"] for line in read_lines(shared / "data" / "messages.jsonl")]
    usable = [one for one in bodies if isinstance(one.get("timestamp"), int | float) and one.get("msg_id")]
    day = START // 86_400 * 86_400
    usable = [{**one, "timestamp": day + one["timestamp"] % 86_400} for one in usable]
    for one in usable:
        daemon.intake.accept(one)
    daemon.flusher.flush()
    before = dump(daemon.engine)
    archive = Archive(usable)
    with daemon.engine.begin() as connection:
        for name in before:
            if name.startswith("data_"):
                connection.execute(text(f"DELETE FROM {name}"))
    again(daemon, archive, span=Span(day, day + 86_400))
    archive.close()
    after = dump(daemon.engine)
    for name, rows in before.items():
        if name.startswith("data_") and name != "data_releng_dashboard":
            assert after[name] == rows, name
    assert len(after["data_releng_dashboard"]) == len(before["data_releng_dashboard"]) > 0
