"""Tables as after some weeks of counting, with a gap, for what shows figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from statscache.daemon import open_daemon
from tests.support.databases import new_database
from tests.support.place import ALL_ON
from tests.support.web import Server

#: The tables that are filled, their windows in seconds, and the columns of their keys.
TABLES = [
    *(
        (f"data_volume_{name}", seconds, "")
        for name, seconds in (("1s", 1), ("5s", 5), ("1m", 60), ("1h", 3600), ("1d", 86_400))
    ),
    *(
        (f"data_volume_by_category_{name}", seconds, "category")
        for name, seconds in (("1s", 1), ("15s", 15), ("1m", 60), ("1h", 3600), ("1d", 86_400))
    ),
    ("data_pagure_contribution_1d", 86_400, ""),
    ("data_pagure_project_contribution_1d", 86_400, "category"),
]
#: A count for each quarter of an hour and each category, by day and night and weekday.
MADE = """
CREATE TABLE made AS
SELECT at AS timestamp, category,
    greatest(0, round(weight * (1.2 + sin(extract(epoch FROM at) / 86400 * 2 * pi() - 2))
        * CASE WHEN extract(isodow FROM at) > 5 THEN 0.4 ELSE 1 END))::bigint AS volume
FROM generate_series(date_bin('15 minutes', CAST(:start AS timestamptz), to_timestamp(0)), :stop, '15 minutes') AS at,
    (VALUES ('bodhi', 9), ('buildsys', 40), ('git', 14), ('pagure', 11), ('koschei', 6), ('copr', 22), ('wiki', 2),
        ('fas', 1)) AS each (category, weight)
WHERE NOT at <@ tstzrange(:gap_start, :gap_stop)
"""
COVERED = """
UPDATE statscache_coverage SET covered = CAST(:covered AS tstzmultirange), updated = :now, since = :start
"""
#: Where the messages behind the figures would be.
ARCHIVE = "https://archive.example.org/datagrepper"
DAYS = 60
#: Before the start of today: of two days in any case.
GAP = timedelta(days=3, hours=4), timedelta(days=2, hours=11)


def fill(engine: Engine, now: datetime) -> None:
    """Fill the tables that a daemon has made with what was counted in the last `DAYS` days, but for a gap."""
    start = now - timedelta(days=DAYS)
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    gap = [today - each for each in GAP]
    covered = f"{{[{start},{gap[0]}),[{gap[1]},{now})}}"
    with engine.begin() as connection:
        given = {"start": start, "stop": now, "gap_start": gap[0], "gap_stop": gap[1]}
        connection.execute(text(MADE), given)
        for table, seconds, key in TABLES:
            _sum(connection, table, seconds, key)
        connection.execute(text("DROP TABLE made"))
        connection.execute(text(COVERED), {"covered": covered, "now": now, "start": start})
        connection.execute(
            text(
                "INSERT INTO statscache_gap (first, last, messages, reason, noted) "
                "VALUES (:first, :last, 41, 'the disk of the spool was full', :last)"
            ),
            {"first": gap[0], "last": gap[1] - timedelta(seconds=1)},
        )


def _sum(connection, table: str, seconds: int, key: str) -> None:  # type: ignore[no-untyped-def]
    columns = {"": "", "category": ", category"}[key]
    names = ", project" if "project" in table else columns
    connection.execute(
        text(
            f'INSERT INTO {table} ("timestamp"{names}, volume) '
            f"SELECT date_bin(interval '{seconds} seconds', timestamp, to_timestamp(0)) AS w{columns}, sum(volume) "
            f"FROM made WHERE volume > 0 GROUP BY w{columns}"
        )
    )


@contextmanager
def figures(server: Engine, directory: Path, now: datetime | None = None) -> Iterator[tuple[Engine, Server]]:
    """Give an API and its page on such tables, and an engine on them."""
    now = (now or datetime.now(UTC)).replace(microsecond=0)
    with new_database(server) as url:
        config = {
            "statscache.sqlalchemy.uri": url,
            "statscache.spool.directory": str(directory / "spool"),
            "statscache.plugins.enabled": ALL_ON,
        }
        assert open_daemon(config).finish(30)
        engine = create_engine(url)
        fill(engine, now)
        web = Server(directory, url, plugins__enabled=ALL_ON, datagrepper__endpoint=ARCHIVE)
        try:
            yield engine, web
        finally:
            ended = web.end()
            engine.dispose()
        assert ended == (0, ""), ended
