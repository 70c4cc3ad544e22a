"""What it costs to take a message, in a process of its own so that a distribution of plugins can be put into it.

usage: python -m benchmarks.intake < ORDER

ORDER is a JSON object: `config`, `file`, `rounds`. The answer is one, too: lists of microseconds per message.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import ROOT

BAR = Bar(within=1.3)
DECODING = "json.loads of the same messages, which every hub has to do"
#: What is measured of all plugins together; the rest is of each alone.
ACCEPT, ACCEPT_CPU, SINGLY, DECODE = "accept", "accept, processor time", "accept singly", "decode"


def intake(bench: Bench) -> list[Figure]:
    """Take messages with the plugins that are on by default."""
    bench.say("intake")
    with bench.database() as url:
        found = measure(bench, url, {})
    decoding = found.pop(DECODE)
    return [
        Figure("intake, in all, spool included", "µs/message", found.pop(ACCEPT), decoding, DECODING, BAR),
        Figure("intake, processor time", "µs/message", found.pop(ACCEPT_CPU), decoding, DECODING),
        Figure("intake of messages that come singly", "µs/message", found.pop(SINGLY), decoding, DECODING),
        *(Figure(f"intake, {plugin} alone", "µs/message", rounds) for plugin, rounds in found.items()),
    ]


def measure(bench: Bench, url: str, settings: dict[str, Any], **environment: str) -> dict[str, list[float]]:
    """Return the microseconds per message, for each of the rounds, by what was measured."""
    config = {
        "statscache.sqlalchemy.uri": url,
        "statscache.spool.directory": str(bench.place() / "spool"),
        **settings,
    }
    file = bench.messages("burst", bench.sizes.short)
    order = {"config": config, "file": str(file), "rounds": bench.rounds}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.intake"],
        cwd=ROOT,
        env={**os.environ, "STATSCACHE_SQLALCHEMY_URI": "", **environment},
        input=json.dumps(order),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"the intake's process ended with {done.returncode}:\n{done.stderr[-2000:]}")
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Carry out the order."""
    from statscache.daemon import open_daemon

    order = json.load(sys.stdin)
    lines = Path(order["file"]).read_bytes().splitlines()
    daemon = open_daemon(order["config"])
    found: dict[str, list[float]] = defaultdict(list)
    for _ in range(order["rounds"]):
        _measure_accept(daemon, lines, found)
        _measure_plugins(daemon, lines, found)
    daemon.finish(60.0)
    print(json.dumps(found))


def _measure_accept(daemon: Any, lines: list[bytes], found: dict[str, list[float]]) -> None:
    """Take messages as a hub does that has always some to read, then as one that never has two."""
    from statscache.bus.micro_batch import MicroBatch

    bodies: list[Any] = []
    found[DECODE].append(_microseconds(lambda line: bodies.append(json.loads(line)), lines))
    inbox = MicroBatch(daemon.intake.accept_all, lambda call: None)
    before = time.thread_time()
    found[ACCEPT].append(_microseconds(inbox.put, bodies))
    found[ACCEPT_CPU].append((time.thread_time() - before) / len(bodies) * 1e6)
    inbox.empty()
    daemon.flusher.flush()
    bodies = [{**body, "msg_id": f"again-{body['msg_id']}"} for body in bodies]
    found[SINGLY].append(_microseconds(daemon.intake.accept, bodies))
    daemon.flusher.flush()


def _measure_plugins(daemon: Any, lines: list[bytes], found: dict[str, list[float]]) -> None:
    """Let each plugin process fresh messages, so that it pays for what it is the first to ask for."""
    from statscache.messages.message import Message

    for ident, plugin in daemon.app.plugins.items():
        messages = [Message(json.loads(line), daemon.app.naming) for line in lines]
        found[ident].append(_microseconds(plugin.process, messages))
        plugin.queue.drain()


def _microseconds(call: Callable[[Any], object], arguments: Iterable[Any]) -> float:
    """Return the microseconds per call."""
    count, before = 0, time.perf_counter()
    for argument in arguments:
        call(argument)
        count += 1
    return (time.perf_counter() - before) / count * 1e6


if __name__ == "__main__":
    main()
