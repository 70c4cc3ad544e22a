"""How much more four daemons write that share the messages than one alone, in processes of their own.

usage: python -m benchmarks.sharing < ORDER

ORDER is a JSON object: `config`, `file`, `first`, `flushes`, `delay`. The process says "ready", waits for a line, and
answers with one more object: when it began and ended, and its processor time, in seconds.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import ROOT

#: So many daemons share, with flushes of so many messages.
DAEMONS, SIZE = 4, 300
#: How long in seconds each way to the database and back takes.
FAR = 0.002
TICKS = os.sysconf("SC_CLK_TCK")
FAR_BAR, NEAR_BAR = Bar(ratio=3.0), Bar(ratio=1 / 1.2)


@dataclass(frozen=True)
class Done:
    """What some daemons have done at once.

    :param rate: messages a second of all together
    :param cost: processor time in seconds a message, of all of them and of the database
    """

    rate: float
    cost: float


def sharing(bench: Bench) -> list[Figure]:
    """Let four daemons flush back to back, and one alone, in turns."""
    bench.say("sharing")
    far: dict[int, list[Done]] = {1: [], DAEMONS: []}
    near: dict[int, list[Done]] = {1: [], DAEMONS: []}
    for _ in range(bench.rounds):
        for number in (1, DAEMONS):
            far[number].append(_flush_at_once(bench, number, FAR))
            near[number].append(_flush_at_once(bench, number, 0.0))
    return [
        Figure(
            f"sharing, {DAEMONS} daemons, flushes of {SIZE}, {FAR * 1000:g} ms each way",
            "messages/s",
            [done.rate for done in far[DAEMONS]],
            [done.rate for done in far[1]],
            "one daemon",
            FAR_BAR,
        ),
        Figure(
            f"sharing, {DAEMONS} daemons, messages by processor time of daemons and database",
            "messages/s",
            [1 / done.cost for done in near[DAEMONS]],
            [1 / done.cost for done in near[1]],
            "one daemon",
            NEAR_BAR,
        ),
    ]


def _flush_at_once(bench: Bench, number: int, delay: float) -> Done:
    """Let so many daemons write the same messages, a part each."""
    flushes = max(bench.sizes.short // (SIZE * DAEMONS), 1) * DAEMONS // number
    file = bench.messages("burst", (flushes + 1) * SIZE * DAEMONS)
    with bench.database() as url, _daemons(bench, url, file, number, flushes, delay) as daemons:
        for daemon in daemons:
            assert daemon.stdout is not None
            if daemon.stdout.readline() != "ready\n":
                raise RuntimeError(f"a daemon did not begin: {daemon.communicate()[1][-2000:]}")
        before = _postgres_seconds()
        answers = _go(daemons)
        database = _postgres_seconds() - before
    messages = number * flushes * SIZE
    began, ended = min(answer["began"] for answer in answers), max(answer["ended"] for answer in answers)
    spent = sum(answer["spent"] for answer in answers) + database
    return Done(messages / (ended - began), spent / messages)


def _go(daemons: Sequence[subprocess.Popen[str]]) -> list[dict[str, float]]:
    for daemon in daemons:
        assert daemon.stdin is not None
        daemon.stdin.write("go\n")
        daemon.stdin.flush()
    lines = [daemon.stdout.readline() for daemon in daemons if daemon.stdout is not None]
    return [json.loads(line) for line in lines]


@contextmanager
def _daemons(
    bench: Bench, url: str, file: Path, number: int, flushes: int, delay: float
) -> Iterator[list[subprocess.Popen[str]]]:
    """Give so many processes, each with a part of the file of its own."""
    daemons = []
    try:
        for index in range(number):
            config = {
                "statscache.sqlalchemy.uri": url,
                "statscache.spool.directory": str(bench.place() / "spool"),
            }
            first = index * (flushes + 1) * SIZE
            order = {"config": config, "file": str(file), "first": first, "flushes": flushes, "delay": delay}
            daemons.append(_start(order))
        yield daemons
    finally:
        for daemon in daemons:
            daemon.kill()
            daemon.communicate()


def _start(order: dict[str, Any]) -> subprocess.Popen[str]:
    daemon = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sharing"],
        cwd=ROOT,
        env={**os.environ, "STATSCACHE_SQLALCHEMY_URI": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert daemon.stdin is not None
    daemon.stdin.write(json.dumps(order) + "\n")
    daemon.stdin.flush()
    return daemon


def _postgres_seconds() -> float:
    """Return the processor time of all processes of PostgreSQL on this machine, in seconds."""
    seconds = 0.0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = path.read_text().partition(") ")
        except OSError:
            continue
        if name.endswith("(postgres"):
            fields = rest.split()
            seconds += (int(fields[11]) + int(fields[12])) / TICKS
    return seconds


def main() -> None:
    """Carry out the order."""
    from benchmarks.far import far_away
    from statscache.daemon import open_daemon

    order = json.loads(sys.stdin.readline())
    size, first, flushes = SIZE, order["first"], order["flushes"]
    with open(order["file"], "rb") as file:
        bodies = [json.loads(line) for line in islice(file, first, first + (flushes + 1) * size)]
    with far_away(order["config"], order["delay"]) as config:
        daemon = open_daemon(config)
        daemon.intake.accept_all(bodies[:size])
        daemon.flusher.flush()  # which makes what is made once
        print("ready", flush=True)
        sys.stdin.readline()
        began, spent = time.monotonic(), time.process_time()
        for start in range(size, len(bodies), size):
            daemon.intake.accept_all(bodies[start : start + size])
            daemon.flusher.step()
        ended = time.monotonic()
        answer = {"began": began, "ended": ended, "spent": time.process_time() - spent}
        print(json.dumps(answer), flush=True)
        sys.stdin.readline()


if __name__ == "__main__":
    main()
