"""What the tests of commands have in common."""

from __future__ import annotations

import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import psycopg2

from tests.support.place import ALL_ON, Place, lines
from tests.support.shared import read_lines
from tests.support.tables import expected_after

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"
#: The variable of the environment by which the processes of one test are known.
MARK = "STATSCACHE_TEST_MARK"


def body(number: int, when: float = 1_700_000_000.0, category: str = "bodhi") -> dict[str, Any]:
    """Return an ordinary message."""
    topic = f"org.fedoraproject.prod.{category}.update.comment"
    return {"topic": topic, "msg": {"n": number}, "msg_id": f"2023-{number}", "timestamp": when}


class Replayed(Place):
    """A working directory in which a file of real messages was replayed, with every plugin on."""

    def __init__(self, directory: Path, uri: str, shared: Path, name: str) -> None:
        super().__init__(directory, uri)
        self.name = name
        self.lines = read_lines(shared / "data" / f"{name}.jsonl")
        self.expected = expected_after(shared, name)
        self.configure({"statscache.plugins.enabled": ALL_ON})
        self.outcome = self.run("replay", str(shared / "data" / f"{name}.jsonl"))

    def by(self, table: str) -> Counter[str]:
        """Return what a table must hold for each key, over all time."""
        counts: Counter[str] = Counter()
        for (_, key), volume in self.expected[table].items():
            counts[key] += volume
        return counts


def left_over(place: Place) -> list[psutil.Process]:
    """Return the processes that were started from the place and are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            words = process.cmdline()
            if any(str(place.directory) in word for word in words) or (
                process.environ().get(MARK) == place.environment.get(MARK, "no mark")
            ):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def ask(url: str, query: str) -> Any:
    """Return what a database answers to a client that knows nothing but the URL."""
    connection = psycopg2.connect(url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchone()[0]
    finally:
        connection.close()


def make_busy(place: Place) -> Place:
    """Count three categories just now, where no daemon runs."""
    now = time.time()
    some = {"bodhi": 3, "copr": 2, "git": 1}
    sent = [(category, number) for category, count in some.items() for number in range(count)]
    bodies = [body(place, now - 70 * number, category) for place, (category, number) in enumerate(sent)]
    bodies.append({**body(99, now), "topic": f"org.fedoraproject.prod.bodhi.{'x' * 3000}"})
    place.configure({"statscache.monitoring.address": "", "statscache.plugins.enabled": ["volume_by_topic"]})
    place.write("lines.jsonl", lines(*bodies))
    place.answer("replay", "lines.jsonl")
    return place


def told(place: Place, *arguments: str) -> Any:
    """Return what a command prints as JSON."""
    return json.loads(place.answer(*arguments, "--json"))
