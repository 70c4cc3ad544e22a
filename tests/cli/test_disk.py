"""`statscache status --disk`: what takes room, and how fast it grows."""

from __future__ import annotations

import json
import re

from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from tests.support.place import Place, rows
from tests.support.roles import Roles

COVERED = (
    "UPDATE statscache_coverage SET covered = tstzmultirange(tstzrange(now() - interval '60 days', now()))"
)


def test_it_shows_each_table_the_largest_first(busy: Place, engine: Engine) -> None:
    """With what its parts take, and what it will take more; as JSON everything in bytes."""
    with engine.begin() as connection:
        connection.execute(text(COVERED))
        connection.execute(
            text(
                "INSERT INTO data_volume_1h SELECT hour, 1 FROM generate_series("
                "date_trunc('day', now()) - interval '60 days', now(), '1 hour') AS hour "
                "ON CONFLICT DO NOTHING; ANALYZE data_volume_1h"
            )
        )
    facts, table = busy.answer("status", "--disk").split("\n\n")
    assert re.match(r"database  \d+ MiB, [\d.]+ [KM]iB of it in these tables *\ngrowth    about ", facts)
    assert re.search(r"^spool     .*, up to 4.0 GiB for each daemon", facts, re.MULTILINE)
    titles, *listed = rows(table)
    assert titles[:2] == ["table", "partitions"]
    found = json.loads(busy.answer("status", "--disk", "--json"))
    assert [row[0] for row in listed] == [its["table"] for its in found["tables"]]
    sizes = [its["bytes"] for its in found["tables"]]
    assert sizes == sorted(sizes, reverse=True)
    hourly = next(its for its in found["tables"] if its["table"] == "data_volume_1h")
    assert hourly["growth_rows"] == 720
    assert hourly["growth_bytes"] == 720 * hourly["bytes"] / hourly["rows"] <= found["growth_bytes"]
    assert hourly["heap_bytes"] + hourly["index_bytes"] + hourly["toast_bytes"] == hourly["bytes"]
    assert (hourly["growth_share"], hourly["growth_at_least"], hourly["remark"]) == (1, False, "")
    assert sum(sizes) == found["tables_bytes"] < found["database_bytes"]


def test_it_shows_what_keep_would_free(busy: Place, engine: Engine) -> None:
    """As an estimate, of each table that has such rows and of all together; else there is no column for it."""
    ago = "date_trunc('day', now()) - interval '50 days'"
    with engine.begin() as connection:
        connection.execute(text(COVERED))
        for length in ("1s", "5s"):
            rows_of_a_day = f"SELECT {ago} + interval '{length}' * n, 1 FROM generate_series(1, 1000) AS n"
            connection.execute(text(f"INSERT INTO data_volume_{length} {rows_of_a_day}"))
            connection.execute(text(f"ANALYZE data_volume_{length}"))
    assert "keep" not in busy.answer("status", "--disk")
    busy.configure({"statscache.keep": {"1s": "30d"}})
    facts, table = busy.answer("status", "--disk").split("\n\n")
    found = json.loads(busy.answer("status", "--disk", "--json"))
    [its] = [its for its in found["tables"] if its["keep_would_free_bytes"]]
    assert (its["table"], its["keep_would_free_rows"], its["keep_would_free_at_least"]) == (
        "data_volume_1s", 1000, False,
    )  # fmt: skip
    assert its["keep_would_free_bytes"] == 1000 * its["bytes"] / its["rows"] == found["keep_would_free_bytes"]
    size = re.search(r"^keep +would free about ([\d.]+ KiB) in 1 table *$", facts, re.MULTILINE)
    assert size is not None
    titles, *listed = rows(table)
    assert "keep would free" in titles
    assert [row[0] for row in listed if f"about {size[1]}" in row] == ["data_volume_1s"]


def test_a_role_that_may_read_nothing_else_sees_the_sizes(busy: Place, engine: Engine, roles: Roles) -> None:
    """How fast a table grows is known to those who may read it."""
    reader = roles.make("reader")
    with engine.begin() as connection:
        connection.execute(text(COVERED))
        connection.execute(
            text(f"GRANT SELECT ON statscache_plugin, statscache_coverage, data_volume_1h TO {reader}")
        )
    place = Place(busy.directory, roles.url(reader))
    found = json.loads(place.answer("status", "--disk", "--json"))
    remarks = {its["table"]: its["remark"] for its in found["tables"]}
    assert remarks["data_volume_1h"] == ""
    assert remarks["data_volume_1m"] == "growth not known: this role may not read it"
    assert all(its["bytes"] is not None for its in found["tables"])


def test_where_there_is_nothing_it_says_so_in_one_line(there: Place, engine: Engine) -> None:
    """Of a database on which no daemon has run nothing is known."""
    code, output, errors = there.run("status", "--disk")
    assert (code, output) == (2, "")
    assert "no daemon has run on this database yet" in errors
    assert make_url(there.environment["STATSCACHE_SQLALCHEMY_URI"]).database not in errors
