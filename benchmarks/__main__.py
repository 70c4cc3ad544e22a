"""The command line."""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from benchmarks.bench import QUICK, Bench, Sizes
from benchmarks.end_to_end import burst, day, long
from benchmarks.figures import Figure, table_of
from benchmarks.flush import flush
from benchmarks.growth import growth
from benchmarks.history import history
from benchmarks.idle import idle
from benchmarks.intake import intake
from benchmarks.machine import describe
from benchmarks.paced import paced, soak
from benchmarks.page import page
from benchmarks.people import people
from benchmarks.queues import queue, waiting
from benchmarks.rare import rare
from benchmarks.readers import readers
from benchmarks.sharing import sharing
from benchmarks.single import single
from benchmarks.starts import starts
from benchmarks.variables import URI

Case = Callable[[Bench], list[Figure]]
USUAL: dict[str, Case] = {
    "burst": burst,
    "day": day,
    "long": long,
    "paced": paced,
    "intake": intake,
    "flush": flush,
    "single": single,
    "idle": idle,
    "starts": starts,
    "history": history,
    "sharing": sharing,
}
#: What takes too long to be part of every run.
SPECIAL: dict[str, Case] = {
    "growth": growth,
    "soak": soak,
    "queue": queue,
    "waiting": waiting,
    "readers": readers,
    "people": people,
    "rare": rare,
    "page": page,
}
CASES = USUAL | SPECIAL
RESULTS = Path(__file__).with_name("results")


@click.command(
    help=f"""Measure statscache, each figure beside a control in the same run, and check every cell it writes.

    There is a PostgreSQL of its own unless {URI} is the URL of a database whose user may make others.
    A figure that misses its bar is only shown; the exit code is 1 if a table is wrong or a case fails."""
)
@click.option(
    "--only", "names", multiple=True, type=click.Choice(list(CASES)), help="Only this; may be repeated."
)
@click.option(
    "--rounds", type=click.IntRange(1), default=3, show_default=True, help="How often each is done."
)
@click.option("--quick", is_flag=True, help="So few messages that the figures are worth nothing.")
@click.option(
    "--rows", type=int, help="How many rows the tables of `growth` hold already; default 50 million."
)
@click.option(
    "--messages",
    type=click.IntRange(1),
    help="How many messages the year of `people` has; default 1 million.",
)
@click.option(
    "--archived",
    type=click.IntRange(1),
    help="How many messages the archive of `rare` has; default 10 million.",
)
@click.option(
    "--by-history",
    is_flag=True,
    help="Load that year by history even if it has more than 3 million messages.",
)
@click.option("--minutes", type=float, help="How long `soak` lasts; default 30.")
@click.option(
    "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where the JSON goes, with every round."
)
def main(
    names: tuple[str, ...],
    rounds: int,
    quick: bool,
    rows: int | None,
    messages: int | None,
    archived: int | None,
    by_history: bool,
    minutes: float | None,
    output: Path | None,
) -> None:
    """Run the cases, print a table and write a file."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that no hub and no server stays behind
    given = {
        "rows": rows,
        "minutes": minutes,
        "year": messages,
        "archived": archived,
        "by_history": by_history,
    }
    changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    sizes = replace(QUICK if quick else Sizes(), **changes)
    cases = {name: CASES[name] for name in names} or USUAL
    with tempfile.TemporaryDirectory(prefix="statscache-benchmark-", ignore_cleanup_errors=True) as directory:
        bench = Bench(Path(directory), sizes, 1 if quick else rounds)
        try:
            report = run(bench, cases, output or _default_output())
        finally:
            bench.close()
    sys.exit(1 if report["failures"] or any(report["differences"].values()) else 0)


def run(bench: Bench, cases: dict[str, Case], output: Path) -> dict[str, Any]:
    """Run cases, print their figures and write all there is to a file, of which the content is returned."""
    start = time.monotonic()
    machine = describe(bench.url)
    figures = [figure for name, case in cases.items() for figure in attempt(bench, name, case)]
    report = {
        "machine": machine,
        "sizes": asdict(bench.sizes),
        "seconds": time.monotonic() - start,
        "differences": bench.differences,
        "failures": bench.failures,
        "figures": [figure.as_json() for figure in figures],
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _print(figures, bench, machine, output)
    return report


def attempt(bench: Bench, name: str, case: Case) -> list[Figure]:
    """Return a case's figures; none if it failed, which costs the others nothing."""
    try:
        return case(bench)
    except Exception as error:
        traceback.print_exc()
        bench.failures[name] = f"{type(error).__name__}: {error}"
        return []


def _print(figures: list[Figure], bench: Bench, machine: dict[str, Any], output: Path) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=150)
    console.print(table_of(figures))
    for name, number in bench.differences.items():
        console.print(f"{name}: {number} cells differ", style="red" if number else None)
    for name, failure in bench.failures.items():
        console.print(f"{name} failed: {failure}", style="red", markup=False)
    console.print(
        f"{machine['processor']}, {machine['cores']} cores; Python {machine['python']}, "
        f"PostgreSQL {machine['postgresql']}; all of it is in {output}",
        highlight=False,
    )


def _default_output() -> Path:
    return RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H-%M-%S}.json"


if __name__ == "__main__":
    main()
