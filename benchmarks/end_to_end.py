"""From the first message sent to the last row committed, of everything that comes at once."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import zmq

from benchmarks.bench import Bench
from benchmarks.cells import count_differences
from benchmarks.figures import Bar, Figure
from benchmarks.hubs import Publisher, control_hub, counting_hub
from benchmarks.watch import TABLE, Watch

#: How often in seconds the database is looked at: the figure is late by half of that in mean.
EVERY = 0.01
#: So long nothing may be committed before it is given up.
PATIENCE = 120.0
BARS = {"burst": Bar(ratio=0.6), "day": Bar(ratio=0.45)}
LONG_BAR = Bar(ratio=0.6)
NOTHING = "a consumer that does nothing, in the same hub and mode"


def burst(bench: Bench) -> list[Figure]:
    """A burst: timestamps within 200 s."""
    return [_figure(bench, "burst", bench.sizes.short, bench.rounds, BARS["burst"])]


def day(bench: Bench) -> list[Figure]:
    """The same with timestamps over a day."""
    return [_figure(bench, "day", bench.sizes.short, bench.rounds, BARS["day"])]


def long(bench: Bench) -> list[Figure]:
    """A long burst."""
    path = bench.messages("burst", bench.sizes.long)
    alone = Figure("publisher into a bare socket", "messages/s", [_publisher_alone(bench, path)])
    return [_figure(bench, "burst", bench.sizes.long, (bench.rounds + 1) // 2, LONG_BAR), alone]


def _figure(bench: Bench, shape: str, count: int, rounds: int, bar: Bar) -> Figure:
    path = bench.messages(shape, count)
    figure = Figure(f"end to end, {shape} of {count:,}", "messages/s", [], [], NOTHING, bar)
    for number in range(rounds):
        bench.say(f"{figure.name}, round {number + 1} of {rounds}")
        figure.controls.append(count / send_to_control(bench, path, count))
        figure.rounds.append(count / send_checked(bench, path, count, figure.name))
    return figure


def send_checked(bench: Bench, path: Path, count: int, name: str) -> float:
    """Send messages to a hub on an empty database, and compare every cell; return the seconds it took."""
    with bench.database() as url:
        seconds = send(bench, url, path, count)
        bench.note(name, count_differences(url, bench.expected(path)))
    return seconds


def send(
    bench: Bench,
    url: str,
    path: Path,
    count: int,
    settings: Mapping[str, Any] = {},
    table: str = TABLE,
    **environment: str,
) -> float:
    """Send messages to a hub; return the seconds from the first sent to all committed.

    :param table: one that every message counts in once
    """
    publisher = Publisher(place := bench.place(), path)
    settings = {"statscache.sqlalchemy.uri": url, **settings}
    try:
        with counting_hub(place, publisher, settings, **environment) as hub:
            watch = Watch(url, hub, EVERY, table)
            publisher.start()
            end = watch.wait_for(count, PATIENCE)
            watch.close()
            return end - publisher.times()[0]
    finally:
        publisher.close()


def send_to_control(bench: Bench, path: Path, count: int) -> float:
    """Send messages to a hub that does nothing; return the seconds from the first sent to the last received."""
    publisher = Publisher(place := bench.place(), path)
    try:
        with control_hub(place, publisher, count) as hub:
            publisher.start()
            return hub.wait_for_end() - publisher.times()[0]
    finally:
        publisher.close()


def _publisher_alone(bench: Bench, path: Path) -> float:
    """Return how many messages a second the publisher sends to somebody who does not look at them."""
    publisher = Publisher(bench.place(), path)
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.SUB)
    with socket:
        socket.rcvhwm = 0
        socket.subscribe(b"")
        socket.connect(publisher.endpoint)
        publisher.wait_for_subscriber()
        publisher.start()
        for _ in range(count := bench.sizes.long):
            socket.recv_multipart()
        end = time.time()
        seconds = end - publisher.times()[0]
    publisher.close()
    return count / seconds
