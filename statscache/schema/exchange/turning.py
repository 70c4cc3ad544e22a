"""`statscache upgrade`: tables whose rows are not kept for ever become the oldest partition of one in their place.

It can be killed anywhere and begun again: each step is one transaction, and the next run goes on with what is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Engine

from statscache.hosting.loader import Part
from statscache.schema.exchange.exchange import StaysWhole, exchange, says
from statscache.schema.exchange.whole import Whole, in_the_way, whole
from statscache.schema.migrations.locking import LONG_PAUSES, Busy, alone
from statscache.schema.partitioning import Partitioned, make_partitions, partitioned
from statscache.schema.partitions.statements import instant
from statscache.schema.partitions.units import Unit
from statscache.schema.relations import VERBATIM
from statscache.schema.watching import watch

Tell = Callable[[str], None]
#: What keeps nobody from writing may take as long as it takes.
PATIENT = "SET LOCAL lock_timeout = '10min'; SET LOCAL statement_timeout = 0"


@dataclass(frozen=True)
class Turn:
    """A table that is to become a partition.

    :param in_the_way: what keeps it from that
    """

    its: Whole
    in_the_way: Collection[str]

    @property
    def name(self) -> str:
        """The table's name."""
        return self.its.table.fullname

    def __str__(self) -> str:
        """Say what becomes of it."""
        return (
            f"{self.name} (about {self.its.rows} rows) becomes the oldest partition of a table in its place: "
            "no row is written"
        )

    @property
    def why_not(self) -> str:
        """Why nothing becomes of it."""
        return str(StaysWhole(self.name, self.in_the_way))

    def as_json(self) -> dict[str, Any]:
        """Return it as an object for JSON."""
        return {"table": self.name, "rows": self.its.rows, "in_the_way": list(self.in_the_way)}


class Turning:
    """Turns tables into partitions.

    :param parts: the plugins that run
    :param keep: as `statscache.keep` has it
    :param tell: hears what is done, a line each
    """

    def __init__(
        self, engine: Engine, parts: Collection[Part], keep: Mapping[str, timedelta], tell: Tell
    ) -> None:
        self._engine = engine
        self._parts = parts
        self._wanted = [its for its in partitioned(parts, keep) if its.is_worth_it]
        self._tell = tell

    def plan(self) -> list[Turn]:
        """Return which tables are to become partitions."""
        with self._engine.connect() as connection:
            return list(self._plan(connection))

    def run(self) -> list[Turn]:
        """Let those become partitions that can, and return the others.

        :raises Busy: if others hold a table for minutes
        :raises StaysWhole: if something is in the way that was not there before, or that only PostgreSQL knows of
        """
        plan = self.plan()
        for turn in plan:
            if not turn.in_the_way:
                self._tell(f"{turn}")
                self._turn(next(each for each in self._wanted if each.table is turn.its.table))
                self._tell(f"{turn.name}: done")
        return [turn for turn in plan if turn.in_the_way]

    def _plan(self, connection: Connection) -> Iterator[Turn]:
        for each in self._wanted:
            if (its := whole(connection, each.table)) is not None:
                yield Turn(its, in_the_way(connection, its, its.bound or _end(each, its)))

    def _turn(self, each: Partitioned) -> None:
        while (its := self._look(each)) is not None:
            if its.proof is None or its.bound is None or its.bound <= its.now:
                self._alone(each, _make_ready)
            elif not its.proven:
                self._patiently(f"ALTER TABLE {its.sql} VALIDATE CONSTRAINT {its.proof}")
            else:
                self._alone(each, self._exchange)
        for failure in make_partitions(self._engine, self._parts, [each], patient=True):
            self._tell(failure)
        watch(self._engine, self._parts)
        quote = self._engine.dialect.identifier_preparer.format_table
        self._patiently(f"ANALYZE {quote(each.table)}")

    def _exchange(self, connection: Connection, each: Partitioned) -> None:
        if (its := whole(connection, each.table)) is not None:
            exchange(connection, self._parts, its)

    def _look(self, each: Partitioned) -> Whole | None:
        with self._engine.connect() as connection:
            return whole(connection, each.table)

    def _alone(self, each: Partitioned, work: Callable[[Connection, Partitioned], None]) -> None:
        """Do something quick while nobody counts.

        :raises Busy: if others hold the table for minutes
        """
        try:
            alone(self._engine, lambda connection: work(connection, each), LONG_PAUSES)
        except Busy as error:
            raise Busy(
                f"{each.table.fullname}: cannot be had for a moment ({error}); end what holds it, and run this again"
            ) from error

    def _patiently(self, statement: str) -> None:
        """Do something that keeps nobody from writing."""
        with self._engine.begin() as connection:
            connection.exec_driver_sql(PATIENT)
            connection.exec_driver_sql(statement, execution_options=VERBATIM)


def _end(each: Partitioned, its: Whole) -> int:
    """Return the second at which the partition ends that a table is to become: that of the day or the month."""
    return Unit.of(each.keep).period(its.now).stop


def _make_ready(connection: Connection, each: Partitioned) -> None:
    """Give a table the constraint that is to prove that all its rows are of before some second; it is idle yet."""
    its = whole(connection, each.table)
    if its is None or (its.bound is not None and its.bound > its.now):
        return  # another has been here
    end = _end(each, its)
    gone = [] if its.proof is None else [f"ALTER TABLE {its.sql} DROP CONSTRAINT {its.proof}"]
    check = f"CHECK ({its.function}() OR \"timestamp\" < '{instant(end)}')"
    for statement in (
        *gone,
        says(its, "true"),
        f"GRANT EXECUTE ON FUNCTION {its.function}() TO PUBLIC",
        f"COMMENT ON FUNCTION {its.function}() IS 'whether a table may still have rows of any time'",
        f"ALTER TABLE {its.sql} ADD CONSTRAINT statscache_before_{end} {check} NOT VALID",
    ):
        connection.exec_driver_sql(statement, execution_options=VERBATIM)
