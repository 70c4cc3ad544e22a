"""What answers questions about people, of a table with a key that names a person. Bots are left out."""

from __future__ import annotations

from statscache.schema.functions.periods import ByPeriod
from statscache.schema.functions.table import INSTANT, WindowTable, variant, with_keys
from statscache.schema.objects import Variant, quoted

IS_BOT = "statscache_is_bot"
BIGINT, BOOLEAN = "bigint", "boolean"
#: Periods are long from this on, in the mean: quarters and years.
LONG = "80 days"


def distinct(its: WindowTable) -> Variant:
    """Return what counts the distinct people of periods."""
    its = its.asked_once
    parts = ByPeriod(its, its.others)
    chosen = [*parts.key_columns, f"r.{_person(its)} AS person"]
    keys = "".join(f", s.{name}" for name in parts.names)
    body = (
        f"WITH {parts.bounds}, seen AS MATERIALIZED ({parts.each(chosen, distinct=True)}), "
        f"{_people(its, 'seen')}, figure AS (SELECT s.place{keys}, count(*) AS people "
        f"FROM seen AS s JOIN people USING (person) GROUP BY s.place{keys}) "
        f"SELECT {', '.join(['p.begins', *parts.keys_of('f')])}, {_figure(its, 'f.people')}, "
        f"{its.complete('p.begins', 'p.ends')} FROM period AS p LEFT JOIN figure AS f USING (place) "
        f"WHERE f.place IS NOT NULL OR {parts.every} "
        f"{parts.in_order('f')}"
    )
    about = (
        "how many different people there are in each period of a step and a zone, or in all of the time from start to "
        "before stop, without bots; a key that is left NULL means the union, and by names the keys that are told apart"
    )
    columns = with_keys({"timestamp": INSTANT, **parts.keys}, {"people": BIGINT, "complete": BOOLEAN})
    return variant(its, parts.arguments, columns, body, about)


def activity(its: WindowTable) -> Variant:
    """Return what tells who came, stayed, came back and left, from period to period."""
    its = its.asked_once
    parts = ByPeriod(its, its.others, told_apart=False, before=True)
    body = (
        f"WITH RECURSIVE {parts.bounds}, {_active(parts)}, marked AS (SELECT a.place, a.person, "
        "lag(a.place) OVER each IS NOT DISTINCT FROM a.place - 1 AS stayed, "
        "lead(a.place) OVER each IS DISTINCT FROM a.place + 1 AS leaves "
        "FROM active AS a WINDOW each AS (PARTITION BY a.person ORDER BY a.place)), "
        "figure AS (SELECT m.place, count(*) AS active, count(*) FILTER (WHERE m.stayed) AS retained, "
        "count(*) FILTER (WHERE NOT m.stayed AND f.first >= p.begins) AS new, "
        "count(*) FILTER (WHERE NOT m.stayed AND f.first < p.begins) AS returned, "
        "count(*) FILTER (WHERE m.leaves) AS leaving "
        "FROM marked AS m JOIN period AS p USING (place) JOIN firsts AS f USING (person) GROUP BY m.place) "
        f"SELECT p.begins, {_figure(its, 'f.active')}, {_figure(its, 'f.new')}, "
        f"{_figure(its, 'f.retained', 'e.begins')}, {_figure(its, 'f.returned')}, "
        f"{_figure(its, 'b.leaving', 'e.begins')}, "
        f"{its.complete('p.begins', 'p.ends')}, {its.since_ever('p.begins', 'p.ends')}, "
        f"{its.complete('e.begins', 'p.ends')} "
        "FROM period AS p JOIN period AS e ON e.place = p.place - 1 LEFT JOIN figure AS f ON f.place = p.place "
        f"LEFT JOIN figure AS b ON b.place = e.place ORDER BY p.begins"
    )
    about = (
        "how many people were active in each period of a step and a zone, without bots: new (never before), retained "
        "(also in the period before), returned (earlier, but not in the period before); and lapsed (in the one before "
        "only). complete is that of active, complete_since_ever that of new and returned, "
        "complete_with_previous that of retained and lapsed"
    )
    figures = ("active", "new", "retained", "returned", "lapsed")
    flags = ("complete", "complete_since_ever", "complete_with_previous")
    columns = {"timestamp": INSTANT, **dict.fromkeys(figures, BIGINT), **dict.fromkeys(flags, BOOLEAN)}
    return variant(its, _stepped(parts), columns, body, about)


def cohorts(its: WindowTable) -> Variant:
    """Return what tells how many of those who came in one period were active in each later one."""
    its = its.asked_once
    parts = ByPeriod(its, its.others, told_apart=False)
    body = (
        f"WITH RECURSIVE {parts.bounds}, {_active(parts)}, "
        "figure AS (SELECT width_bucket(f.first, (SELECT b.begins FROM bounds AS b)) AS came, a.place, "
        "count(*) AS people FROM active AS a JOIN firsts AS f USING (person) GROUP BY came, a.place) "
        f"SELECT c.begins, p.begins, p.place - c.place, "
        f"{its.kept(_figure(its, 'f.people'), 'c.begins', 'c.ends')}, "
        f"{its.since_ever('c.begins', 'p.ends')} FROM period AS c JOIN period AS p ON p.place >= c.place "
        "LEFT JOIN figure AS f ON f.came = c.place AND f.place = p.place ORDER BY c.begins, p.begins"
    )
    about = (
        "of the people who were active for the first time ever in each period, the cohort: how many were active in it "
        "and in each later one, without bots"
    )
    columns = {
        "cohort": INSTANT,
        "timestamp": INSTANT,
        "periods_later": BIGINT,
        "people": BIGINT,
        "complete": BOOLEAN,
    }
    return variant(its, _stepped(parts), columns, body, about)


def half(its: WindowTable) -> Variant:
    """Return what tells the smallest number of people who did half of it."""
    its = its.asked_once
    parts = ByPeriod(its, its.others, told_apart=False)
    chosen = [f"r.{_person(its)} AS person", "sum(r.volume) AS volume"]
    body = (
        f"WITH {parts.bounds}, seen AS MATERIALIZED ({parts.each(chosen, 'GROUP BY 1')}), {_people(its, 'seen')}, "
        "ranked AS (SELECT s.place, s.volume, sum(s.volume) OVER each AS running, "
        "row_number() OVER each AS rank, sum(s.volume) OVER (PARTITION BY s.place) AS whole "
        "FROM seen AS s JOIN people USING (person) "
        "WINDOW each AS (PARTITION BY s.place ORDER BY s.volume DESC, s.person ROWS UNBOUNDED PRECEDING)), "
        "figure AS (SELECT r.place, min(r.rank) FILTER (WHERE 2 * r.running >= r.whole) AS people, "
        "count(*) AS active, min(r.whole) AS volume FROM ranked AS r GROUP BY r.place) "
        f"SELECT p.begins, {_figure(its, 'f.people')}, {_figure(its, 'f.active')}, "
        f"{_figure(its, 'CAST (f.volume AS bigint)')}, "
        f"{its.complete('p.begins', 'p.ends')} "
        "FROM period AS p LEFT JOIN figure AS f USING (place) ORDER BY p.begins"
    )
    about = (
        "the smallest number of people who did at least half of all that was done in each period of a step and a zone, "
        "or in all of the time from start to before stop, how many were active, and the volume, without bots"
    )
    columns = {
        "timestamp": INSTANT,
        "people": BIGINT,
        "active": BIGINT,
        "volume": BIGINT,
        "complete": BOOLEAN,
    }
    return variant(its, parts.arguments, columns, body, about)


def _figure(its: WindowTable, figure: str, start: str = "p.begins") -> str:
    """Return a figure of a period, or of the time from an instant before it, 0 where there is nobody."""
    return its.kept(f"coalesce({figure}, 0)", start, "p.ends")


def _person(its: WindowTable) -> str:
    assert its.person is not None
    return quoted(its.person)


def _people(its: WindowTable, rows: str) -> str:
    """Return a part of a WITH: who of these rows is a person; each is asked about once, which OFFSET sees to."""
    return (
        f"people AS MATERIALIZED (SELECT e.person FROM (SELECT DISTINCT s.person FROM {rows} AS s OFFSET 0) AS e "
        f"WHERE NOT {quoted(its.home)}.{IS_BOT}(e.person))"
    )


def _active(parts: ByPeriod) -> str:
    """Return parts of a WITH RECURSIVE: in which periods each person was active, without bots, and since when ever.

    Where periods are long and no key is asked for, each person has so many rows that it is faster to look, person by
    person, whether there is one. Then everybody's first window is the first ever.
    """
    its, person, row = parts.its, _person(parts.its), 'r."timestamp"'
    next_one = f"(SELECT r.{person} AS person, {row} AS first FROM {its.name} AS r {{}}ORDER BY 1, 2 LIMIT 1)"
    after = next_one.format(f"WHERE r.{person} > o.person ")
    nothing = "".join(f" AND {argument} IS NULL" for argument in parts.asked)
    apiece = "(SELECT a.apiece FROM way AS a)"
    return (
        f"everybody AS ({next_one.format('')} "
        f"UNION ALL SELECT n.person, n.first FROM everybody AS o CROSS JOIN LATERAL {after} AS n), "
        f"way AS (SELECT b.last - b.first >= interval '{LONG}' * cardinality(b.begins){nothing} AS apiece "
        "FROM bounds AS b), "
        f"seen AS MATERIALIZED ({parts.each([f'r.{person} AS person'], distinct=True)} WHERE NOT {apiece} "
        "UNION ALL SELECT p.place, o.person FROM everybody AS o JOIN period AS p ON p.ends > o.first "
        f"WHERE {apiece} AND (o.first >= p.begins OR EXISTS (SELECT FROM {its.name} AS r "
        f"WHERE r.{person} = o.person AND {parts.inside}))), "
        f"{_people(its, 'seen')}, "
        "active AS (SELECT s.place, s.person FROM seen AS s JOIN people USING (person)), "
        "firsts AS MATERIALIZED (SELECT o.person, o.first FROM everybody AS o JOIN people USING (person) "
        f"WHERE {apiece} UNION ALL SELECT people.person, (SELECT {row} FROM {its.name} AS r "
        f"WHERE {' AND '.join([f'r.{person} = people.person', *parts.wanted])} ORDER BY {row} LIMIT 1) "
        f"FROM people WHERE NOT {apiece})"
    )


def _stepped(parts: ByPeriod) -> list[tuple[str, str, str]]:
    """Return the arguments where there must be a step: a month unless another is given."""
    return [
        (name, kind, " DEFAULT 'month'" if name == "step" else default)
        for name, kind, default in parts.arguments
    ]
