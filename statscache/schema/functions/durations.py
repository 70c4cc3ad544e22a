"""What answers questions about a table of durations: quantiles, sums by period, and what has not ended."""

from __future__ import annotations

from sqlalchemy import literal_column

from statscache.database.dialect import PLAIN
from statscache.plugins.episodes import length_of
from statscache.schema.functions.figures import BIGINT, Figure, Figures
from statscache.schema.functions.periods import ByPeriod, summed
from statscache.schema.functions.table import INSTANT, WindowTable, variant, with_keys
from statscache.schema.objects import Definition, Variant, in_quotes, quoted

CHECK = "statscache_check_quantile"
CHECKED = """
BEGIN
    IF $1 IS NULL OR NOT $1 BETWEEN 0 AND 1 THEN
        RAISE EXCEPTION 'q must be a number from 0 to 1, as 0.5 for the median, not %', $1
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN CAST ($1 AS numeric);
END"""
#: The seconds that stand for a bucket `f.bucket`.
SECONDS = str(
    length_of(literal_column("f.bucket")).compile(dialect=PLAIN, compile_kwargs={"literal_binds": True})
)
#: The figures of periods.
FIGURES: Figures = {
    "volume": Figure(BIGINT, "CAST (sum(r.volume) FILTER (WHERE r.bucket >= 0) AS bigint)"),
    "seconds": Figure(BIGINT, "CAST (sum(r.seconds) AS bigint)"),
    "without_begin": Figure(BIGINT, "CAST (sum(r.volume) FILTER (WHERE r.bucket < 0) AS bigint)"),
}


def definitions(home: str) -> list[Definition]:
    """Return the functions that those of all tables of durations call.

    :param home: the schema of statscache's own views and functions
    """
    text = f"(q double precision) RETURNS numeric LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS {in_quotes(CHECKED)}"
    checked = Variant(text, "refuses what is no quantile", "(q double precision)")
    return [Definition("FUNCTION", home, CHECK, [checked])]


def sums(its: WindowTable) -> Variant:
    """Return what sums the durations of periods."""
    return summed(its, FIGURES)


def quantile(its: WindowTable) -> Variant:
    """Return what gives a quantile of the durations of periods, within 1 % of the one at its rank."""
    its = its.asked_once
    parts = ByPeriod(its, its.keys, more=(("q", "double precision", " DEFAULT 0.5"),))
    groups = ", ".join(["b.place", *(f"b.{name}" for name in parts.names)])
    body = (
        f"WITH {parts.bounds}, bucket AS ({_running(parts)}), figure AS (SELECT {groups}, min(b.whole) AS volume, "
        f"min(b.bucket) FILTER (WHERE b.reached >= {quoted(its.home)}.{CHECK}($3) * b.whole) AS bucket "
        f"FROM bucket AS b GROUP BY {groups}) "
        f"SELECT {', '.join(['p.begins', *parts.keys_of('f')])}, "
        f"{its.kept('coalesce(CAST (f.volume AS bigint), 0)', 'p.begins', 'p.ends')}, "
        f"{its.kept(SECONDS, 'p.begins', 'p.ends')}, "
        f"{its.complete('p.begins', 'p.ends')} FROM period AS p LEFT JOIN figure AS f USING (place) "
        f"WHERE f.place IS NOT NULL OR {parts.every} {parts.in_order('f')}"
    )
    about = (
        "the seconds at the rank q, as 0.5 for the median, of the durations that ended in each period of a step and "
        "a zone, or in all of the time from start to before stop; within 1 %; volume is how many there are"
    )
    figures = {"volume": BIGINT, "seconds": "double precision", "complete": "boolean"}
    return variant(its, parts.arguments, with_keys({"timestamp": INSTANT, **its.keys}, figures), body, about)


def _running(parts: ByPeriod) -> str:
    """Return what selects how many durations are in each bucket of a period and all before it, and in all together.

    The sums are whole numbers, so the first that reaches q·n is the first that reaches ceil(q·n).
    """
    keys = ", ".join(parts.key_values)
    apart = f"PARTITION BY {keys} " if keys else ""
    sums = (
        f"sum(sum(r.volume)) OVER ({apart}ORDER BY r.bucket ROWS UNBOUNDED PRECEDING) AS reached",
        f"sum(sum(r.volume)) OVER ({apart}) AS whole",
    )
    numbers = ", ".join(map(str, range(1, len(parts.keys) + 2)))
    return parts.each([*parts.key_columns, "r.bucket", *sums], f"AND r.bucket >= 0 GROUP BY {numbers}")


def unended(its: WindowTable) -> Variant:
    """Return what lists what has begun and not ended, and is not given up."""
    events = f"{quoted(its.schema)}.{quoted(f'{its.table.name}_event')}"
    plugins, name = f"{quoted(its.home)}.statscache_plugin", in_quotes(its.table.fullname)
    give_up = f"(SELECT max(p.reach) FROM {plugins} AS p WHERE p.tables[1] = {name})"
    until = f"coalesce({its.known('complete_through')}, now())"
    before = f"{until} - interval '1 second'"
    keys = "".join(f", e.{key}" for key in its.columns)
    body = (
        f'SELECT DISTINCT ON (e.id) e.id, e."timestamp"{keys}, '
        f"{its.complete(before, until)} "
        f'FROM {events} AS e WHERE NOT e.ends AND e."timestamp" >= {until} - {give_up} AND NOT EXISTS ('
        f'SELECT FROM {events} AS o WHERE o.id = e.id AND o.ends AND o."timestamp" >= e."timestamp") '
        'ORDER BY e.id, e."timestamp", e.msg_id COLLATE "C"'
    )
    about = (
        "what has begun and not ended, and when: by the time up to which the table is complete, and without what is "
        "given up; complete says whether that is all"
    )
    columns = with_keys({"id": "text", "timestamp": INSTANT, **its.keys}, {"complete": "boolean"})
    return variant(its, (), columns, body, about)
