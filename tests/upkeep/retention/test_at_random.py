"""Whatever is sent, dropped, lacking and filled in whatever order, each table has what its kept windows come to."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from statscache.database.lock import counting
from statscache.history.archives.archive import Slice
from statscache.history.slice_counter import SliceCounter
from statscache.span import Span, clipped, without
from statscache.store.coverage import gaps, uncover
from statscache.upkeep.retention.restore import restore
from tests.support.recounting import HOURS, START, body
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
from tests.support.retention import gone as recorded
from tests.upkeep.retention.conftest import MakeKept

OFTEN = settings(
    max_examples=40,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
IDENTS = {"test_words_1s": "words-1s", "test_words_1m": "words-1m", "test_words_1h": "words-1h"}
SECONDS = st.integers(0, 7199)
NAMES = st.sampled_from(sorted(IDENTS.values()))
STEPS = st.lists(
    st.tuples(st.just("send"), SECONDS, NAMES)
    | st.tuples(st.just("lack"), SECONDS, NAMES)
    | st.tuples(st.just("fill"), SECONDS, NAMES)
    | st.tuples(st.just("restore"), SECONDS, NAMES)
    | st.tuples(st.just("drop"), st.integers(300, 7000), NAMES),
    max_size=16,
)


class History:
    """Two hours of a daemon and of an archive that has all messages."""

    def __init__(self, bench: KeptBench) -> None:
        self.bench = bench
        self.sent: dict[str, dict[str, Any]] = {}
        tables = ", ".join((*TABLES, "statscache_ledger", "statscache_not_kept", "statscache_removed"))
        bench.execute(f"TRUNCATE {tables}")
        bench.execute("UPDATE statscache_coverage SET covered = '{}'")
        bench.execute("DELETE FROM statscache_removed")
        covers(bench)

    def send(self, second: int, ident: str) -> None:
        number = len(self.sent)
        its = {**body(0, "abc"[number % 3], second), "msg_id": f"m{number}"}
        self.sent[its["msg_id"]] = its
        self.bench.intake.accept(its)
        self.bench.flush()

    def lack(self, second: int, ident: str) -> None:
        """Let a plugin lack some minutes, though it has all messages so far."""
        with counting(self.bench.engine) as connection:
            uncover(connection, [ident], self.after(second))

    def fill(self, second: int, ident: str) -> None:
        """Fill what a plugin lacks of some minutes."""
        for gap in clipped(self.lacking(ident), [self.after(second)]):
            bodies = [its for its in self.sent.values() if int(its["timestamp"]) in gap]
            SliceCounter(self.bench.app).count(Slice(gap, bodies), frozenset([ident]))

    def restore(self, second: int, ident: str) -> None:
        """Let a gap of what was dropped be filled at once."""
        (part,) = [part for part in self.bench.app.parts if part.ident == ident]
        if recorded(self.bench, str(part.plugin.model.__tablename__)):
            for span in restore(self.bench.engine, part, 0):
                bodies = [its for its in self.sent.values() if int(its["timestamp"]) in span]
                SliceCounter(self.bench.app).count(Slice(span, bodies), frozenset([ident]))

    def drop(self, keep: int, ident: str) -> None:
        """Drop, and check that a coarser table has what is gone."""
        before = {table: self.gone(table) for table in TABLES}
        keeps = {"_1s": timedelta(seconds=keep), "_1m": timedelta(seconds=2 * keep)}
        drop_all(self.bench, keeping(self.bench, **keeps), rows=2)
        for fine, coarse in (("test_words_1s", "test_words_1m"), ("test_words_1m", "test_words_1h")):
            fresh = [part for span in self.gone(fine) for part in without(span, before[fine])]
            assert not clipped(fresh, self.lacking(IDENTS[coarse]))
        assert self.gone("test_words_1h") == []

    def gone(self, table: str) -> list[Span]:
        return [Span(START + span.start, START + span.stop) for span in recorded(self.bench, table)]

    def lacking(self, ident: str) -> list[Span]:
        with self.bench.engine.connect() as connection:
            return gaps(connection, [ident], HOURS)[ident]

    @staticmethod
    def after(second: int) -> Span:
        return Span(START + second, min(START + second + 400, HOURS.stop))


class _Made:
    """The daemon of a test, for all its examples."""

    bench: tuple[MakeKept, KeptBench] | None = None


@OFTEN
@given(steps=STEPS)
def test_tables_hold_what_their_kept_windows_come_to(
    make_kept: MakeKept, steps: list[tuple[str, int, str]]
) -> None:
    """Each message counts once where its window is kept; a window goes only where a coarser table has it."""
    if _Made.bench is None or _Made.bench[0] is not make_kept:
        _Made.bench = make_kept, make_kept(Seconds, Minutes, Hours)
    history = History(_Made.bench[1])
    for step, second, ident in steps:
        getattr(history, step)(second, ident)
    for table, length in TABLES.items():
        gone = history.gone(table)
        kept = expected(
            history.sent.values(), length, lambda at, gone=gone: not any(at in span for span in gone)
        )
        assert rows(history.bench, table) == kept
