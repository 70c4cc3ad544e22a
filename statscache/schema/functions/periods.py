"""What sums a table by the periods of a time zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from statscache.schema.functions.calendar import OF_ONE
from statscache.schema.functions.counts import key_arguments
from statscache.schema.functions.figures import Figures
from statscache.schema.functions.table import END, INSTANT, RANGE, WindowTable, variant, with_keys
from statscache.schema.objects import Variant, in_quotes, quoted

TEXT = "text"
#: Without a step, the whole range is one period.
PERIOD = (("step", TEXT, " DEFAULT NULL"), ("zone", TEXT, " DEFAULT 'UTC'"))


@dataclass(frozen=True)
class ByPeriod:
    """The parts of a question that sums a table by periods.

    Its arguments are the range, the period, a value for each key or NULL for all, and which keys are told apart.

    :param keys: the type of each key that can be told apart, by the column's name
    :param told_apart: whether keys can be told apart at all, by the last argument
    :param before: whether the period before the first is there, too, and comes first
    :param more: arguments that come after the range
    """

    its: WindowTable
    keys: Mapping[str, str]
    told_apart: bool = True
    before: bool = False
    more: Sequence[tuple[str, str, str]] = ()

    @property
    def arguments(self) -> list[tuple[str, str, str]]:
        """The arguments of the function."""
        keys = [(name, kind, " DEFAULT NULL") for name, kind in key_arguments(self.keys).items()]
        by = [("by", "text[]", " DEFAULT '{}'")] if self._by else []
        return [*RANGE, *self.more, *PERIOD, *keys, *by]

    @property
    def _by(self) -> str:
        """The number of the argument that says which keys are told apart; empty if there is none."""
        return f"${self._first + len(self.keys)}" if self.keys and self.told_apart else ""

    @property
    def _first(self) -> int:
        """The number of the first key's argument."""
        return len(RANGE) + len(self.more) + len(PERIOD) + 1

    @property
    def bounds(self) -> str:
        """Parts of a WITH: where the periods begin and end, as arrays in one row, each with its place, and `known`."""
        its = self.its
        names = f"CAST (ARRAY[{', '.join(map(in_quotes, self.keys))}] AS text[])"
        given = (
            f"{in_quotes(its.table.name)}, $1, {END}, ${self._first - 2}, ${self._first - 1}, {its.length}, "
            f"{its.origin}, {names}, {self._by or 'NULL'}, {str(self.before).lower()}"
        )
        return (
            "bounds AS MATERIALIZED (SELECT array_agg(p.begins ORDER BY p.begins) AS begins, "
            "array_agg(p.ends ORDER BY p.begins) AS ends, min(p.begins) AS first, max(p.ends) AS last "
            f"FROM {quoted(its.home)}.{OF_ONE}({given}) AS p), "
            "period AS (SELECT each.* FROM bounds AS b, unnest(b.begins, b.ends) "
            f"WITH ORDINALITY AS each (begins, ends, place)), {its.known_once}"
        )

    def each(self, selected: Sequence[str], more: str = "", distinct: bool = False) -> str:
        """Return what selects the place of each period, and something of its rows `r` that have the keys asked for.

        The periods are read one after another, by the index on the time: what is grouped stays so small that it has
        room in memory, and no row is asked in which period it lies.

        :param selected: what of the rows, which are grouped or made distinct: else this would be one great join
        :param more: what comes after the conditions
        """
        conditions = [self.inside, *self.wanted]
        return (
            f"SELECT p.place, e.* FROM period AS p CROSS JOIN LATERAL (SELECT {'DISTINCT ' if distinct else ''}"
            f"{', '.join(selected)} FROM {self.its.name} AS r WHERE {' AND '.join(conditions)} {more}) AS e"
        )

    @property
    def inside(self) -> str:
        """Whether a row `r` lies in a period `p`."""
        return 'r."timestamp" >= p.begins AND r."timestamp" < p.ends'

    @property
    def asked(self) -> list[str]:
        """The arguments that say which keys are asked for."""
        return [f"${number}" for number, _ in self._numbered]

    @property
    def wanted(self) -> list[str]:
        """Conditions: whether a row `r` has the keys asked for."""
        return [f"(${n} IS NULL OR r.{quoted(key)} = ${n})" for n, key in self._numbered]

    @property
    def _numbered(self) -> list[tuple[int, str]]:
        """The keys, each with the number of its argument."""
        return list(enumerate(self.keys, self._first))

    @property
    def key_columns(self) -> list[str]:
        """Each key of a row `r`, NULL where it is neither told apart nor asked for, as the answer has it."""
        return [f"{key} AS {name}" for key, name in zip(self.key_values, self.names, strict=True)]

    @property
    def key_values(self) -> list[str]:
        """The same without a name."""
        return [
            f"CASE WHEN ${n} IS NOT NULL{self._told_apart(key)} THEN r.{quoted(key)} END"
            for n, key in self._numbered
        ]

    def _told_apart(self, key: str) -> str:
        return f" OR {in_quotes(key)} = ANY ({self._by})" if self._by else ""

    @property
    def every(self) -> str:
        """Whether a period is listed in which there is nothing: where no keys are told apart."""
        return f"coalesce(cardinality({self._by}), 0) = 0" if self._by else "true"

    def keys_of(self, row: str) -> list[str]:
        """Return the keys of an answer's row, which are those asked for where there is nothing."""
        return [
            f"coalesce({row}.{name}, ${n})" for (n, _), name in zip(self._numbered, self.names, strict=True)
        ]

    @property
    def names(self) -> list[str]:
        """What each key is called inside the question, where other columns have names of their own."""
        return [f"key_{place}" for place in range(len(self.keys))]

    def in_order(self, row: str) -> str:
        """Return what orders an answer, by the period and then the keys of its rows."""
        return f"ORDER BY p.begins{''.join(f', {row}.{name}' for name in self.names)}"


def summed(its: WindowTable, figures: Figures) -> Variant:
    """Return what sums a table by periods."""
    its = its.asked_once
    parts = ByPeriod(its, its.keys)
    kinds = {name: figure.kind for name, figure in figures.items()}
    columns = with_keys({"timestamp": INSTANT, **its.keys}, {**kinds, "complete": "boolean"})
    merged = [f"{figure.of_rows} AS {quoted(name)}" for name, figure in figures.items()]
    grouped = f"GROUP BY {_numbers(len(its.keys))}" if its.keys else ""
    body = (
        f"WITH {parts.bounds}, figure AS ({parts.each([*parts.key_columns, *merged], grouped)}) "
        f"SELECT {', '.join(['p.begins', *parts.keys_of('f'), *_zeros(its, figures)])}, "
        f"{its.complete('p.begins', 'p.ends')} "
        f"FROM period AS p LEFT JOIN figure AS f USING (place) WHERE f.place IS NOT NULL OR {parts.every} "
        f"{parts.in_order('f')}"
    )
    about = (
        "the sums of the periods of a step and a zone that have a part of the time from start to before stop, or of "
        "all of it; by names the keys that are told apart"
    )
    return variant(its, parts.arguments, columns, body, about)


def _numbers(count: int) -> str:
    return ", ".join(map(str, range(1, count + 1)))


def _zeros(its: WindowTable, figures: Figures) -> Sequence[str]:
    """Return the figures of a row that may have none: zero for what adds up and is kept, else nothing."""
    return [
        its.kept(figure.of_any_rows(f"f.{quoted(name)}"), "p.begins", "p.ends")
        for name, figure in figures.items()
    ]
