"""A flush of one message, beside a transaction that somebody would write by hand for the same rows."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.bench import Bench
from benchmarks.by_hand import ByHand, statements
from benchmarks.figures import Bar, Figure
from benchmarks.messages import bodies
from statscache.daemon import Daemon, open_daemon

BAR = Bar(ratio=0.6)
CONTROL = "a transaction of bare psycopg2 that writes the same rows"
#: So many in a round, by turns.
MANY, FEW = 100, 5


def single(bench: Bench) -> list[Figure]:
    """Flush one message after the other, with the plugins that are on by default."""
    figure = Figure("flush of a single message", "flushes/s", [], [], CONTROL, BAR)
    many = MANY if bench.rounds > 1 else FEW
    with bench.database() as url:
        daemon = open_daemon(settings(url, bench.place()))
        message = Repeated(daemon, bench.messages("burst", FEW))
        message.flush()
        hand = by_hand(daemon, url, bench.place() / "statements")
        for number in range(bench.rounds):
            bench.say(f"{figure.name}, round {number + 1} of {bench.rounds}")
            own, control = _by_turns(many, message.flush, hand.write)
            figure.rounds.append(many / own)
            figure.controls.append(many / control)
        hand.close()
        daemon.finish(60.0)
    return [figure]


def settings(url: str, place: Path) -> dict[str, Any]:
    """Return the settings of a daemon."""
    return {"statscache.sqlalchemy.uri": url, "statscache.spool.directory": str(place / "spool")}


def by_hand(daemon: Daemon, url: str, path: Path) -> ByHand:
    """Return what writes the rows again that a daemon has written, and note it in a file.

    :param daemon: one that has flushed one message
    """
    with daemon.app.engine.begin() as connection:
        found = statements(connection, [*daemon.app.plugins.values()])
    plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    path.write_text(json.dumps({"url": plain, "statements": found}))
    return ByHand(path)


class Repeated:
    """A message that comes again and again, each time as another, of the second in which it came first.

    :param path: a file of messages, the first of which it is
    """

    def __init__(self, daemon: Daemon, path: Path) -> None:
        self._daemon = daemon
        self._body = {**next(iter(bodies(path))), "timestamp": int(time.time())}
        self._number = 0

    def flush(self) -> None:
        """Let it come, and be flushed."""
        self._number += 1
        self._daemon.intake.accept({**self._body, "msg_id": f"{self._body['timestamp']}-{self._number}"})
        self._daemon.flusher.flush()


def _by_turns(many: int, *calls: Callable[[], object]) -> tuple[float, ...]:
    """Return how many seconds each of the calls took in all."""
    taken = [0.0] * len(calls)
    for number in range(many):
        for place, call in [*enumerate(calls)][:: 1 if number % 2 else -1]:
            before = time.perf_counter()
            call()
            taken[place] += time.perf_counter() - before
    return tuple(taken)
