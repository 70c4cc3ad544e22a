"""How fast the HTTP API answers: pages of tables of 10 million rows at any depth, and pages that have not changed.

python -m benchmarks.web --rows 10000000
"""

from __future__ import annotations

import http.client
import json
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from sqlalchemy import Engine, text

from benchmarks.variables import URI
from statscache.app import open_app
from statscache.database.embedded import start
from statscache.database.engine import make_engine
from statscache.hosting.loader import load
from statscache.query.cursors import Cursor
from statscache.query.tables import served
from statscache.settings import read_settings

EPOCH = 1_600_000_000
CATEGORIES = 20
#: By table, what selects its rows; n counts from 0.
ROWS = {
    "data_volume_1s": f"SELECT to_timestamp({EPOCH} + n), n % 50 + 1",
    "data_volume_by_category_1s": f"SELECT to_timestamp({EPOCH} + n / {CATEGORIES}), 'category' || n % {CATEGORIES}, "
    "n % 50 + 1",
    # One category is so quiet that all of its rows are the oldest.
    "data_releng_dashboard": f"SELECT CASE WHEN n < {CATEGORIES} THEN 'quiet' ELSE 'category' || n % {CATEGORIES} END, "
    f"'thing ' || n, to_timestamp({EPOCH} + n), 0, '', "
    """'{"status": "complete"}'::jsonb""",
}
IDENTS = {
    "volume-1s": "data_volume_1s",
    "volume-by-category-1s": "data_volume_by_category_1s",
    "release-engineering-event-logs": "data_releng_dashboard",
}


@click.command(help=__doc__)
@click.option("--rows", default=10_000_000, show_default=True, help="How many rows each table has.")
@click.option("--requests", default=500, show_default=True, help="How many requests of each kind.")
@click.option(
    "--uri", envvar=URI, help="A database that may be filled; without one, an embedded one is made."
)
def main(rows: int, requests: int, uri: str | None) -> None:
    with tempfile.TemporaryDirectory(prefix="statscache-web-", ignore_cleanup_errors=True) as directory:
        config = {
            "statscache.sqlalchemy.uri": uri or start(f"{directory}/data"),
            "statscache.spool.directory": f"{directory}/spool",
            "statscache.web.rate": 1_000_000,
        }
        engine = make_engine(config["statscache.sqlalchemy.uri"])
        open_app(config).engine.dispose()
        fill(engine, rows)
        with server(Path(directory), config) as port:
            for name, paths in questions(config, rows, requests).items():
                show(name, times(port, paths))
            for path in ("/api/volume-1s", "/api/volume-by-category-1s"):
                for known in (False, True):
                    rate = unchanged(port, path, known)
                    click.echo(f"{path}, unchanged, {'304' if known else '200'}: {rate:,.0f} requests/s")
        engine.dispose()


def fill(engine: Engine, rows: int) -> None:
    """Fill the tables, unless they are full already."""
    for table, query in ROWS.items():
        with engine.begin() as connection:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
            if connection.scalar(text(f"SELECT count(*) FROM (SELECT FROM {table} LIMIT 1) AS a_row")):
                continue
            series = f"generate_series(0, {rows - 1}) AS n"
            connection.execute(text(f"INSERT INTO {table} {query.replace(':', chr(92) + ':')} FROM {series}"))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("SET statement_timeout = 0"))
            connection.execute(text(f"VACUUM ANALYZE {table}"))


@contextmanager
def server(directory: Path, config: dict[str, object]) -> Iterator[int]:
    """Give the port of a server process."""
    (directory / "fedmsg.d").mkdir()
    (directory / "fedmsg.d" / "web.py").write_text(f"config = {config!r}\n")
    command = [
        sys.executable,
        "-c",
        "from statscache.cli import main; main()",
        "serve",
        "--listen",
        "127.0.0.1:0",
    ]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout
        yield int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
    finally:
        process.terminate()
        process.wait()


def questions(config: dict[str, object], rows: int, requests: int) -> dict[str, list[str]]:
    """Return the paths to ask for, none twice."""
    tables = served(load(read_settings(config, {}), config))
    found = {}
    for ident in IDENTS:
        # A stop after all rows changes nothing but the URL, so that no answer is known already.
        found[f"{ident}, first page"] = [f"/api/{ident}?stop={4e9 + n:.0f}" for n in range(requests)]
        found[f"{ident}, page 100"] = [f"/api/{ident}?page=100&stop={4e9 + n:.0f}" for n in range(requests)]
        cursors = tables[ident].cursors
        dice = random.Random(1)
        places = [place(ident, dice.randrange(rows)) for _ in range(requests)]
        found[f"{ident}, any depth"] = [f"/api/{ident}?cursor={cursors.write(each)}" for each in places]
        found[f"{ident}, the end"] = [
            f"/api/{ident}?cursor={cursors.write(place(ident, 100 + n))}" for n in range(min(requests, 100))
        ]
    by = "/api/volume-by-category-1s?category=category3&category=category7"
    cursors = tables["volume-by-category-1s"].cursors
    found["volume-by-category-1s, two categories, any depth"] = [
        f"{by}&cursor={cursors.write(place('volume-by-category-1s', dice.randrange(rows)))}"
        for _ in range(requests)
    ]
    return found


def place(ident: str, number: int) -> Cursor:
    """Return the place of a row by its number from the oldest on."""
    if ident == "volume-1s":
        return Cursor("a", 0, 0, ((EPOCH + number) * 1_000_000,))
    category = f"category{number % CATEGORIES}"
    if ident == "volume-by-category-1s":
        return Cursor("a", 0, 0, ((EPOCH + number // CATEGORIES) * 1_000_000,), (category,))
    return Cursor("a", 1, 0, ((EPOCH + number) * 1_000_000,), (category, f"thing {number}"))


def times(port: int, paths: Sequence[str]) -> list[float]:
    """Return how many seconds each request took, the shortest first."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    found = []
    for path in paths:
        begin = time.perf_counter()
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        found.append(time.perf_counter() - begin)
        assert answer.status == 200, body
        assert json.loads(body)
    return sorted(found)


def show(name: str, seconds: Sequence[float]) -> None:
    middle, late = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    click.echo(
        f"{name}: median {middle * 1000:.1f} ms, 99th percentile {late * 1000:.1f} ms, {len(seconds)} requests"
    )


def unchanged(port: int, path: str, known: bool, clients: int = 4, duration: float = 5) -> float:
    """Return how many requests a second are answered for one page.

    :param known: whether the clients say that they have it
    """
    done = [0] * clients
    end = time.perf_counter() + duration

    def ask(number: int) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", port)
        connection.request("GET", path)
        first = connection.getresponse()
        first.read()
        headers = {"If-None-Match": first.headers["ETag"]} if known else {}
        while time.perf_counter() < end:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            answer.read()
            assert answer.status == (304 if known else 200)
            done[number] += 1

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / duration


if __name__ == "__main__":
    main()
