"""The same questions about people and durations twice: by the functions of the tables, and by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from benchmarks.year_counts import BUILDS, BY_AGENT, Counts, Row

TABLES = (f"{BY_AGENT}_1h", f"{BY_AGENT}_1d")
YEAR = "'2023-01-01+00', '2024-01-01+00'"
#: The periods of the year, each with its place and where it begins and ends.
PERIODS = (
    "each AS MATERIALIZED (SELECT row_number() OVER (ORDER BY start) AS place, start AT TIME ZONE 'UTC' AS begins, "
    "(start + interval '{length}') AT TIME ZONE 'UTC' AS ends "
    "FROM generate_series(timestamp '{first}', timestamp '2023-12-31', interval '{length}') AS start)"
)
MONTHS = PERIODS.format(first="2023-01-01", length="1 month")
WEEKS = PERIODS.format(first="2022-12-26", length="7 days")
QUARTERS = PERIODS.format(first="2023-01-01", length="3 months")
INSIDE = "r.timestamp >= each.begins AND r.timestamp < each.ends"
IN_YEAR = "timestamp >= '2023-01-01+00' AND timestamp < '2024-01-01+00'"
#: Who of those in `seen` is no bot. OFFSET 0 keeps PostgreSQL from asking that of each row.
PEOPLE = (
    "people AS MATERIALIZED (SELECT agent FROM (SELECT DISTINCT agent FROM seen OFFSET 0) AS e "
    "WHERE NOT statscache_is_bot(agent))"
)
#: Of `active` and `firsts`: how many of those who came in one period were active in another; and of each period who
#: was active, came, stayed and came back.
COHORTS = (
    "SELECT c.begins, each.begins, count(*) FROM active JOIN each USING (place) JOIN firsts USING (agent) "
    "JOIN each AS c ON first >= c.begins AND first < c.ends GROUP BY 1, 2 ORDER BY 1, 2"
)
ACTIVITY = (
    "SELECT begins, count(*), count(*) FILTER (WHERE first >= begins), count(*) FILTER (WHERE stayed), "
    "count(*) FILTER (WHERE first < begins AND NOT stayed) FROM (SELECT place, agent, coalesce("
    "lag(place) OVER (PARTITION BY agent ORDER BY place) = place - 1, false) AS stayed FROM active) AS a "
    "JOIN each USING (place) JOIN firsts USING (agent) GROUP BY 1 ORDER BY 1"
)


@dataclass(frozen=True)
class Asked:
    """A question.

    :param function: asks it by a function of a table
    :param wanted: gives the rows of the answer, instants as seconds since 1970
    :param by_hand: other statements for the same, by what they do
    :param most: the seconds that the function may take
    :param ratio: how many times that of the best by hand; None for any
    """

    name: str
    function: str
    wanted: Callable[[Counts], Iterable[Row]]
    by_hand: Mapping[str, str] = field(default_factory=dict)
    most: float = 12.0
    ratio: float | None = 1.2


def questions() -> list[Asked]:
    """Return the questions, each of which has the same answer however it is asked."""
    return [asked for table in TABLES for asked in (_month(table), _months(table), *_retention(table))] + [
        _median()
    ]


def _month(table: str) -> Asked:
    its = f"SELECT category, people FROM {table}_distinct('2023-07-01+00', '2023-08-01+00', by => '{{category}}')"
    return Asked(f"people of a month by category, {table}", its, Counts.of_july, most=1.0, ratio=None)


def _months(table: str) -> Asked:
    by_month = (
        f"SELECT each.begins, e.* FROM each CROSS JOIN LATERAL "
        f"(SELECT DISTINCT r.category, r.agent FROM {table} AS r WHERE {INSIDE} OFFSET 0) AS e"
    )
    counted = (
        "SELECT begins, category, count(*) FROM seen JOIN people USING (agent) GROUP BY 1, 2 ORDER BY 1, 2"
    )
    at_once = (
        "SELECT DISTINCT date_trunc('month', timestamp, 'UTC') AS begins, category, agent "
        f"FROM {table} WHERE {IN_YEAR}"
    )
    return Asked(
        f"people of a year by month and category, {table}",
        f"SELECT timestamp, category, people FROM {table}_distinct({YEAR}, 'month', by => '{{category}}')",
        Counts.by_month,
        {
            "by month, bots last": f"WITH {MONTHS}, seen AS MATERIALIZED ({by_month}), {PEOPLE} {counted}",
            "by month": (
                f"WITH {MONTHS} SELECT begins, category, count(*) FROM ({by_month}) AS seen "
                "WHERE NOT statscache_is_bot(agent) GROUP BY 1, 2 ORDER BY 1, 2"
            ),
            "at once": f"WITH seen AS MATERIALIZED ({at_once}), {PEOPLE} {counted}",
        },
    )


def _retention(table: str) -> list[Asked]:
    """Return the triangle of cohorts by quarter; and who was active, came, stayed and came back in each."""
    asked = (
        ("cohorts", "cohort, timestamp, people", " WHERE people > 0", COHORTS, Counts.cohorts),
        ("activity", "timestamp, active, new, retained, returned", "", ACTIVITY, Counts.activity),
    )
    return [
        Asked(
            f"{name} of a year by quarter, {table}",
            f"SELECT {columns} FROM {table}_{name}({YEAR}, 'quarter'){chosen} ORDER BY 1, 2",
            wanted,
            {how: f"WITH RECURSIVE {QUARTERS}, {its} {query}" for how, its in _active(table).items()},
        )
        for name, columns, chosen, query, wanted in asked
    ]


def _active(table: str) -> dict[str, str]:
    """Return ways to find who was active in which of the periods, and for the first time ever."""
    firsts = (
        "firsts AS MATERIALIZED (SELECT agent, (SELECT min(r.timestamp) "
        f"FROM {table} AS r WHERE r.agent = people.agent) AS first FROM people)"
    )
    by_period = (
        f"SELECT each.place, e.agent FROM each CROSS JOIN LATERAL "
        f"(SELECT DISTINCT r.agent FROM {table} AS r WHERE {INSIDE}) AS e"
    )
    at_once = (
        "SELECT DISTINCT extract(quarter FROM timestamp AT TIME ZONE 'UTC')::bigint AS place, agent "
        f"FROM {table} WHERE {IN_YEAR}"
    )
    active = "active AS MATERIALIZED (SELECT place, agent FROM seen JOIN people USING (agent))"
    one = f"SELECT r.agent, r.timestamp AS first FROM {table} AS r"
    apiece = (
        f"hop AS (({one} ORDER BY 1, 2 LIMIT 1) UNION ALL SELECT e.* FROM hop CROSS JOIN LATERAL ({one} "
        "WHERE r.agent > hop.agent ORDER BY 1, 2 LIMIT 1) AS e), firsts AS MATERIALIZED ("
        "SELECT agent, first FROM hop WHERE NOT statscache_is_bot(agent)), active AS MATERIALIZED ("
        "SELECT place, agent FROM firsts JOIN each ON ends > first WHERE first >= begins "
        f"OR EXISTS (SELECT FROM {table} AS r WHERE r.agent = firsts.agent AND {INSIDE}))"
    )
    return {
        "by quarter": f"seen AS MATERIALIZED ({by_period}), {PEOPLE}, {active}, {firsts}",
        "at once": f"seen AS MATERIALIZED ({at_once}), {PEOPLE}, {active}, {firsts}",
        "by person": apiece,
    }


def _median() -> Asked:
    inside = f"{INSIDE} AND r.bucket >= 0 GROUP BY 1"
    reached = "sum(sum(r.volume)) OVER (ORDER BY r.bucket ROWS UNBOUNDED PRECEDING) AS reached"
    running = (
        f"SELECT r.bucket, {reached}, sum(sum(r.volume)) OVER () AS whole FROM {BUILDS} AS r WHERE {inside}"
    )
    middle = "CASE bucket WHEN 0 THEN 0 ELSE exp(0.018 * (bucket - 1.5)) END"
    return Asked(
        "median build time per week of a year",
        f"SELECT timestamp, volume, seconds FROM {BUILDS}_quantile({YEAR}, 0.5, 'week')",
        Counts.medians,
        {
            "by week": (
                f"WITH {WEEKS} SELECT begins, whole::bigint, ({middle})::double precision FROM each CROSS JOIN LATERAL "
                f"(SELECT bucket, whole FROM ({running}) AS s WHERE 2 * reached >= whole ORDER BY 1 LIMIT 1) AS e "
                "ORDER BY 1"
            )
        },
        most=0.3,
        ratio=None,
    )
