"""What a comparison has found is kept for as long as nothing of it is known to have changed."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine
from urllib3 import Retry

from statscache.database.engine import make_engine
from statscache.database.lock import counting
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.sample import Sample
from statscache.history.recount.verify import Verification
from statscache.history.slice_counter import SliceCounter
from statscache.messages.message import Message
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.coverage import cover
from statscache.store.gaps import record_gap
from statscache.upkeep.verifications import TidyVerifications
from tests.support.bench import Bench, Good, Other
from tests.support.recounting import HOURS, START, Latest, body, count_all
from tests.support.sql import run
from tests.system.datagrepper import Archive, Fault

Make = Callable[..., Bench]


#: The words of messages that are not taken.
REFUSED: set[str] = set()


def refuses(monkeypatch: pytest.MonkeyPatch, *words: str) -> set[str]:
    """Have `Good` refuse messages, and return the words that it refuses."""

    def process(self: Good, message: Message) -> None:
        if message["msg"]["word"] in REFUSED:
            raise ValueError(message["msg"]["word"])
        self.count(message, message["msg"]["word"])

    monkeypatch.setattr(Good, "process", process)
    REFUSED.clear()
    REFUSED.update(words)
    return REFUSED


def verify(bench: Bench, archive: Archive, *idents: str, **bounds: Any) -> Verification:
    bounds = {"since": START, "until": HOURS.stop, "pauses": (0.0,), **bounds}
    work = Verification(bench.app, idents, **bounds)
    work.run(Datagrepper(archive.url, retry=Retry(total=0)))
    return work


def kept(bench: Bench, agrees: bool | None = True, table: str = "test_good") -> list[tuple[int, int]]:
    """Return the spans of a table that are known to agree, or to differ, in seconds since START."""
    rows = bench.execute(
        "SELECT extract(epoch FROM lower(part))::bigint - :start, extract(epoch FROM upper(part))::bigint - :start "
        "FROM statscache_verification, unnest(times) AS part "
        "WHERE agrees IS NOT DISTINCT FROM :agrees AND table_name = :table ORDER BY 1",
        start=START,
        agrees=agrees,
        table=table,
    )
    return [(int(start), int(stop)) for start, stop in rows]


def test_what_agrees_is_kept_and_says_with_what(make_bench: Make, two_hours: Archive) -> None:
    bench = make_bench(Good, Latest)
    count_all(bench)
    assert verify(bench, two_hours).report.unkept == ""
    for table in ("test_good", "test_latest"):
        assert kept(bench, table=table) == [(0, 7200)]
    assert kept(bench, None) == []
    ((archive, age),) = bench.execute(
        "SELECT archive, now() - checked < interval '1 minute' FROM statscache_verification "
        "WHERE table_name = 'test_good'"
    )
    assert (archive, age) == (two_hours.url, True)


def test_what_differs_takes_the_place_of_what_agreed(make_bench: Make, two_hours: Archive) -> None:
    """And the other way round, once it agrees again."""
    bench = make_bench(Good)
    count_all(bench)
    verify(bench, two_hours)
    bench.execute(
        "UPDATE test_good SET volume = 7 WHERE word = 'b' AND timestamp = to_timestamp(:s)", s=START + 60
    )
    verify(bench, two_hours)
    assert (kept(bench), kept(bench, False)) == ([(0, 60), (120, 7200)], [(60, 120)])
    bench.execute(
        "SET LOCAL session_replication_role = replica; UPDATE test_good SET volume = 2 WHERE volume = 7"
    )
    verify(bench, two_hours, until=START + 3600)
    assert (kept(bench), kept(bench, False)) == ([(0, 7200)], [])


def test_only_what_was_compared_is_kept(make_bench: Make, two_hours: Archive) -> None:
    """Of a sample what was drawn, and of an archive with holes what is around them."""
    bench = make_bench(Good)
    count_all(bench)
    drawn = verify(bench, two_hours, sample=Sample(3, 1)).spans
    its = sorted((span.start - START, span.stop - START) for spans in drawn.values() for span in spans)
    united = [Span(*each) for each in its]
    assert sum(stop - start for start, stop in kept(bench)) == 180
    assert all(
        any(start <= span.start and span.stop <= stop for start, stop in kept(bench)) for span in united
    )
    two_hours.fail(Fault.CUT, around=START + 3600.5)
    verify(bench, two_hours)
    assert 90 * 60 <= sum(stop - start for start, stop in kept(bench)) < 7200


def test_a_window_with_a_message_in_the_quarantine_is_not_verified(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is it once the message counts."""
    refused = refuses(monkeypatch, "z")
    bench = make_bench(Good)
    bench.intake.accept(body(5000, "z", 70))
    two_hours.add([body(5000, "z", 70)])
    count_all(bench)
    verify(bench, two_hours)
    assert kept(bench) == [(0, 70), (71, 7200)]
    refused.clear()
    assert bench.retry("good") == 1
    assert kept(bench) == [(0, 70), (71, 7200)]
    verify(bench, two_hours)
    assert kept(bench) == [(0, 7200)]


def late(bench: Bench, archive: Archive) -> None:
    bench.intake.accept(body(5000, "x", 70))
    bench.flush()


def late_by_a_file(bench: Bench, archive: Archive) -> None:
    SliceCounter(bench.app).count_loose([Message(body(5000, "x", 70), bench.app.naming)])


def late_and_refused(bench: Bench, archive: Archive) -> None:
    REFUSED.add("x")
    late(bench, archive)
    REFUSED.clear()
    assert bench.retry("good") == 1


def lost_and_filled(bench: Bench, archive: Archive) -> None:
    with counting(bench.engine) as connection:
        record_gap(connection, bench.app.plugins, Loss(1, START + 70, START + 70.5))
        cover(connection, bench.app.plugins, HOURS)


def remove(bench: Bench) -> None:
    engine = create_engine(bench.engine.url)  # as a person does
    run(engine, f"DELETE FROM test_good WHERE timestamp = to_timestamp({START + 60})")
    engine.dispose()


def removed_and_rebuilt(bench: Bench, archive: Archive) -> None:
    remove(bench)
    source = Datagrepper(archive.url, retry=Retry(total=0))
    rebuild(bench.app, source, ["good"], Span(START + 60, START + 120), lambda sentence: None)


def removed_and_hidden(bench: Bench, archive: Archive) -> None:
    remove(bench)
    TidyVerifications(bench.engine).run()
    bench.execute("DELETE FROM statscache_removed")


@pytest.mark.parametrize(
    "change",
    [late, late_by_a_file, late_and_refused, lost_and_filled, removed_and_rebuilt, removed_and_hidden],
)
def test_what_changes_is_not_verified_any_more(
    change: Callable[[Bench, Archive], None],
    make_bench: Make,
    two_hours: Archive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Though it is complete again; what lies beside it stays."""
    refuses(monkeypatch)
    bench = make_bench(Good, ledger_keep=timedelta(days=100_000))
    count_all(bench)
    verify(bench, two_hours)
    change(bench, two_hours)
    ((complete,),) = bench.execute("SELECT complete::text FROM statscache_freshness")
    assert complete.count("[") == 1
    assert kept(bench) in ([(0, 70), (71, 7200)], [(0, 60), (120, 7200)])


def test_what_a_plugin_reaches_back_to_is_not_verified_either(make_bench: Make, two_hours: Archive) -> None:
    """A message may change windows as far behind it as the plugin looks back."""
    bench = make_bench(Good)
    count_all(bench)
    verify(bench, two_hours)
    bench.execute("UPDATE statscache_plugin SET reach = interval '10 minutes'")
    late(bench, two_hours)
    assert kept(bench) == [(0, 70), (671, 7200)]


def test_a_message_that_comes_while_it_is_compared_is_not_verified(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes after the windows were compared, before the result is kept."""
    bench = make_bench(Good)
    count_all(bench)
    compare = Verification._compare

    def and_then(self: Verification, recount: Any) -> None:
        compare(self, recount)
        late(bench, two_hours)

    monkeypatch.setattr(Verification, "_compare", and_then)
    verify(bench, two_hours)
    assert kept(bench) == [(0, 70), (71, 7200)]


def test_what_was_counted_before_changes_nothing(make_bench: Make, two_hours: Archive) -> None:
    bench = make_bench(Good)
    count_all(bench)
    verify(bench, two_hours)
    for number in range(100):
        bench.intake.accept(body(number))
    bench.flush()
    assert kept(bench) == [(0, 7200)]


@contextmanager
def reader(engine: Engine) -> Iterator[Engine]:
    """Give an engine of a role that may only read."""
    role = f"reader_{uuid.uuid4().hex[:12]}"
    with engine.begin() as connection:
        connection.exec_driver_sql(
            f"CREATE ROLE {role} LOGIN; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}"
        )
    its = make_engine(engine.url.set(username=role))
    try:
        yield its
    finally:
        its.dispose()
        with engine.begin() as connection:
            connection.exec_driver_sql(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_who_may_not_write_is_told_that_it_is_not_kept(
    make_bench: Make, two_hours: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All else is as ever."""
    bench = make_bench(Good)
    count_all(bench)
    with reader(bench.engine) as engine:
        monkeypatch.setattr(bench.app, "engine", engine)
        work = verify(bench, two_hours)
    assert work.report.unkept == "permission denied for table statscache_verification"
    assert (work.report.checked, work.report.differing) == (True, 0)


def test_a_claim_goes_with_who_made_it(make_bench: Make, two_hours: Archive) -> None:
    """Also if the comparison fails."""
    bench = make_bench(Good, Other)
    count_all(bench)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Verification, "_compare", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            verify(bench, two_hours)
    assert kept(bench, None) == []


def test_the_table_stays_small(make_bench: Make, two_hours: Archive) -> None:
    """What was found in a day, and long ago in a month, is put together with the earliest date."""
    bench = make_bench(Good)
    count_all(bench)
    insert = (
        "INSERT INTO statscache_verification (table_name, times, agrees, archive, checked) "
        "SELECT 'test_good', tstzmultirange(tstzrange(to_timestamp(:s + 60 * n), to_timestamp(:s + 60 * n + 60))), "
        "true, 'it', date_trunc('year', now()) - interval '400 days' + n * interval '1 day' "
        "FROM generate_series(0, 99) AS n"
    )
    bench.execute(insert, s=START)
    bench.execute(
        "INSERT INTO statscache_verification (table_name, times, archive, checked) "
        "VALUES ('test_good', '{[2000-01-01,2000-01-02)}', 'it', now() - interval '31 days')"
    )
    TidyVerifications(bench.engine).run()
    rows = bench.execute("SELECT count(*), bool_and(agrees) FROM statscache_verification")
    assert kept(bench)[0][0] == 0
    assert sum(stop - start for start, stop in kept(bench)) == 6000
    assert rows[0][0] <= 6
    assert rows[0][1]
