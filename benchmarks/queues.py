"""From a durable quorum queue that was filled before, beside consumers that do nothing with what they get."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika

from benchmarks.bench import Bench
from benchmarks.cells import count_differences, expected
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import ROOT
from benchmarks.messages import bodies
from benchmarks.watch import Watch
from statscache.demo.amqp import payload_of, properties_with
from tests.support.consumer import Consumer, fedora_messaging
from tests.support.rabbitmq import Broker

QUEUE = "statscache"
QUORUM = {"x-queue-type": "quorum"}
#: So many messages are published in a transaction.
TOGETHER = 5_000
#: How often in seconds the database is looked at, and so long nothing may be committed before it is given up.
EVERY, PATIENCE = 0.02, 120.0
NOTHING = "pika's Twisted adapter with a callback that does nothing, acknowledging each thousandth"
SLOW = "fedora-messaging's own consumer with a callback that does nothing"
#: fedora-messaging has an environment of its own, which `make dev` makes.
FEDORA_MESSAGING = Path(sys.prefix) / "publisher" / "bin" / "python"
#: So many messages that one gets.
FEW = 3_000
QUEUE_BAR, SLOW_BAR, MEMORY_BAR = Bar(ratio=0.5), Bar(ratio=10.0), Bar(most=160.0)


def queue(bench: Bench) -> list[Figure]:
    """One daemon on a queue."""
    count = bench.sizes.files
    path = bench.messages("burst", count)
    name = f"from a queue of {count:,}"
    twisted = Figure(name, "messages/s", [], [], NOTHING, QUEUE_BAR)
    slow = Figure(f"{name}, beside fedora-messaging", "messages/s", twisted.rounds, [], SLOW, SLOW_BAR)
    with _broker(bench) as broker:
        for number in range(bench.rounds):
            bench.say(f"{name}, round {number + 1} of {bench.rounds}")
            _fill(broker, path, count)
            twisted.controls.append(_rate_of("benchmarks.twisted_control", sys.executable, broker, count))
            _fill(broker, path, count)
            twisted.rounds.append(count / _consume(bench, broker, path, count)[0])
            if FEDORA_MESSAGING.exists():
                _fill(broker, path, few := min(FEW, count))
                control = "benchmarks.fedora_messaging_control"
                slow.controls.append(_rate_of(control, str(FEDORA_MESSAGING), broker, few))
    return [twisted, slow] if slow.controls else [twisted]


def waiting(bench: Bench) -> list[Figure]:
    """A daemon that comes to a long queue: how fast it counts all of it, and what memory it takes."""
    count = bench.sizes.waiting
    path = bench.messages("burst", count)
    bench.say(f"{count:,} messages that wait")
    with _broker(bench) as broker:
        _fill(broker, path, count)
        seconds, peak = _consume(bench, broker, path, count)
    name = f"{count:,} messages that wait"
    return [
        Figure(name, "messages/s", [count / seconds]),
        Figure(f"{name}, peak memory of the daemon", "MB", [peak / 1e6], bar=MEMORY_BAR),
    ]


@contextmanager
def _broker(bench: Bench) -> Iterator[Broker]:
    broker = Broker(bench.place())
    try:
        yield broker
    finally:
        broker.close()


def _fill(broker: Broker, path: Path, count: int) -> None:
    """Put messages into a queue that is made anew."""
    with broker.channel() as channel:
        channel.queue_delete(QUEUE)
        channel.queue_declare(QUEUE, durable=True, arguments=QUORUM)
        channel.queue_bind(QUEUE, "amq.topic", "#")
        channel.tx_select()
        for number, body in enumerate(bodies(path), 1):
            channel.basic_publish("amq.topic", body["topic"], payload_of(body), _properties(body))
            if number % TOGETHER == 0 or number == count:
                channel.tx_commit()
            if number == count:
                break


def _properties(body: dict[str, Any]) -> pika.BasicProperties:
    """Return what fedora-messaging says of a message beside its payload, its time in whole seconds."""
    ident = str(uuid.UUID(body["msg_id"].partition("-")[2]))
    return properties_with(ident, datetime.fromtimestamp(int(body["timestamp"]), UTC))


def _consume(bench: Bench, broker: Broker, path: Path, count: int) -> tuple[float, int]:
    """Let a daemon count the queue, and compare every cell; return the seconds and its peak memory in bytes."""
    with bench.database() as url:
        place = bench.place()
        settings = {"statscache.sqlalchemy.uri": url, "statscache.spool.directory": str(place / "spool")}
        consumer = Consumer(place, fedora_messaging(broker.url, QUEUE), settings)
        try:
            consumer.wait_until_running()
            start = time.time()
            watch = Watch(url, consumer, EVERY)
            end = watch.wait_for(count, PATIENCE)
            watch.close()
            peak = _peak(consumer.process.pid)
            consumer.end(patience=PATIENCE)
        finally:
            consumer.kill()
        seconds = [int(body["timestamp"]) for body in bodies(path)]
        bench.note(f"from a queue of {count:,}", count_differences(url, expected(path, seconds)))
    return end - start, peak


def _peak(pid: int) -> int:
    """Return the most memory that a process has had, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("VmHWM"))


def _rate_of(control: str, python: str, broker: Broker, count: int) -> float:
    """Let a control take all that is in the queue; return how many messages a second."""
    command: Sequence[str] = [python, "-m", control, broker.url, QUEUE, str(count)]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return count / float(done.stdout)
