"""How fast messages of the past are counted, by the commands that a user has."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import urllib3
from psycopg2.extras import execute_values
from sqlalchemy import create_engine

from benchmarks.bench import Bench
from benchmarks.cells import count_differences
from benchmarks.figures import Bar, Figure
from benchmarks.messages import SPANS, START, bodies
from tests.support.place import Place
from tests.system.datagrepper import Process

BAR = Bar(ratio=0.25)
UNIT = "messages/s"
#: What a datagrepper gives at most, and how many requests are under way at once by default.
PAGE, CONNECTIONS = 100, 4
FETCH = 2_000
#: So few seconds cannot be told from a start that took longer than another.
LEAST = 0.001
STOP = START + int(SPANS["day"])
CREATE = """
    CREATE TABLE messages (
        id serial, msg_id text, i integer NOT NULL, topic text, timestamp timestamp NOT NULL, category text,
        username text, msg text NOT NULL, PRIMARY KEY (id, timestamp)
    );
    CREATE INDEX ON messages (timestamp);
"""
INSERT = "INSERT INTO messages (msg_id, i, topic, timestamp, category, username, msg) VALUES %s"
READ = "SELECT topic, msg, timestamp, i, username, msg_id FROM messages ORDER BY timestamp, id"


def history(bench: Bench) -> list[Figure]:
    """Count messages from files, from a datagrepper and from a database of datanommer's."""
    return [_files(bench), _datagrepper(bench), _datanommer(bench)]


def _files(bench: Bench) -> Figure:
    path = bench.messages("burst", bench.sizes.files)
    figure = Figure("history from files", UNIT, [], [], "json.loads of each line", BAR)
    return _measure(bench, figure, path, ("replay", str(path)), lambda: _decode(path))


def _datagrepper(bench: Bench) -> Figure:
    path = bench.messages("day", bench.sizes.archive)
    figure = Figure("history from the datagrepper stand-in", UNIT, [], [], "fetching the same pages")
    archive = Process(path, "--exact")
    try:
        return _measure(bench, figure, path, _backfill(archive.url), lambda: _fetch_pages(archive.url))
    finally:
        archive.close()


def _datanommer(bench: Bench) -> Figure:
    path = bench.messages("day", bench.sizes.archive)
    figure = Figure("history from datanommer's database", UNIT, [], [], "fetching the same rows", BAR)
    with bench.database() as archive:
        _fill(archive, path)
        return _measure(bench, figure, path, _backfill(archive), lambda: _fetch_rows(archive))


def _backfill(url: str) -> tuple[str, ...]:
    ends = (datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S") for second in (START, STOP))
    since, until = ends
    return ("backfill", "--since", since, "--until", until, "--from", url)


def _measure(
    bench: Bench, figure: Figure, path: Path, command: tuple[str, ...], control: Callable[[], int]
) -> Figure:
    """Run a command and its control by turns; what it takes to start the program is left out."""
    wanted = _decode(path)
    for number in range(bench.rounds):
        bench.say(f"{figure.name}, round {number + 1} of {bench.rounds}")
        before = time.perf_counter()
        count = control()
        assert count == wanted, f"the control of {figure.name} got {count} of {wanted} messages"
        figure.controls.append(count / (time.perf_counter() - before))
        figure.rounds.append(count / _seconds(bench, figure.name, path, command))
    return figure


def _seconds(bench: Bench, name: str, path: Path, command: tuple[str, ...]) -> float:
    """Count a file's messages into an empty database, compare every cell, and return the seconds it took."""
    with bench.database() as url:
        place = Place(bench.place(), url)
        place.configure({})
        place.write("empty", "")
        run_command(place, "replay", "empty")  # makes the tables
        start = run_command(place, "replay", "empty")
        seconds = max(run_command(place, *command) - start, LEAST)
        bench.note(name, count_differences(url, bench.expected(path)))
    return seconds


def run_command(place: Place, *command: str) -> float:
    """Run a command of statscache and return the seconds it took.

    :raises RuntimeError: if it fails
    """
    before = time.perf_counter()
    process = place.start(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    output, _ = process.communicate()
    if process.returncode:
        raise RuntimeError(f"statscache {command[0]} ended with {process.returncode}:\n{output[-2000:]}")
    return time.perf_counter() - before


def _decode(path: Path) -> int:
    return sum(1 for _ in bodies(path))


def _fetch_pages(url: str) -> int:
    """Fetch and decode all pages, as many at once as statscache does."""
    pool = urllib3.PoolManager(maxsize=CONNECTIONS)
    query = f"{url}?start={START}&end={STOP}&order=asc&rows_per_page={PAGE}&page="

    def fetch(page: int) -> Any:
        return json.loads(pool.request("GET", f"{query}{page}").data)

    pages = fetch(1)["pages"]
    with ThreadPoolExecutor(CONNECTIONS) as threads:
        return sum(len(answer["raw_messages"]) for answer in threads.map(fetch, range(1, pages + 1)))


def _fetch_rows(url: str) -> int:
    engine = create_engine(url)
    connection = engine.raw_connection()
    count = 0
    with closing(connection.cursor("benchmark")) as cursor:
        cursor.execute(READ)
        while rows := cursor.fetchmany(FETCH):
            count += len([json.loads(row[1]) for row in rows])
    connection.close()
    engine.dispose()
    return count


def _fill(url: str, path: Path) -> None:
    """Make a database such as datanommer has of a file of messages."""
    engine = create_engine(url)
    connection = engine.raw_connection()
    with closing(connection.cursor()) as cursor:
        cursor.execute(CREATE)
        execute_values(cursor, INSERT, map(_row, bodies(path)), page_size=FETCH)
    connection.commit()
    connection.close()
    engine.dispose()


def _row(body: dict[str, Any]) -> tuple[Any, ...]:
    when = datetime.fromtimestamp(body["timestamp"], UTC).replace(tzinfo=None)
    topic: str = body["topic"]
    category = topic.split(".")[3]
    return body["msg_id"], body["i"], topic, when, category, body["username"], json.dumps(body["msg"])
