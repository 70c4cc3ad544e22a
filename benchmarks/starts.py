"""From exec to receiving."""

from __future__ import annotations

from typing import Any

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.growth import ENTRIES, OURS
from benchmarks.hubs import Publisher, control_hub, counting_hub, path_with
from benchmarks.single import settings
from benchmarks.variables import PLUGINS

#: How many plugins there are, and how many times as long as the control a start may take with them.
BARS = {20: Bar(within=1.5), 120: Bar(within=2.5)}
NOTHING = "a hub with a consumer that does nothing"


def starts(bench: Bench) -> list[Figure]:
    """Start a hub on a database that has the tables already, with few and with many plugins."""
    return [_starts(bench, count, bar) for count, bar in BARS.items()]


def _starts(bench: Bench, count: int, bar: Bar) -> Figure:
    figure = Figure(f"start with {count} plugins", "s", [], [], NOTHING, bar)
    with bench.database() as url:
        _start(bench, url, count)  # makes the tables
        for number in range(bench.rounds):
            bench.say(f"{figure.name}, round {number + 1} of {bench.rounds}")
            figure.controls.append(_start_control(bench))
            figure.rounds.append(_start(bench, url, count))
    return figure


def _start(bench: Bench, url: str, count: int) -> float:
    """Return how many seconds it takes."""
    publisher = Publisher(place := bench.place(), bench.messages("burst", 1))
    given: dict[str, Any] = {**settings(url, place), "statscache.plugins.disabled": OURS}
    environment = {PLUGINS: str(count), **path_with(place, ENTRIES)}
    try:
        with counting_hub(place, publisher, given, **environment) as hub:
            return hub.seconds_to_run
    finally:
        publisher.close()


def _start_control(bench: Bench) -> float:
    publisher = Publisher(place := bench.place(), bench.messages("burst", 1))
    try:
        with control_hub(place, publisher, 1) as hub:
            return hub.seconds_to_run
    finally:
        publisher.close()
