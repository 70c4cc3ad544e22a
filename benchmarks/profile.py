"""Shows where a hub's time goes while messages come, by py-spy, which is to be installed: ``pip install py-spy``.

usage: python -m benchmarks.profile [--rate MESSAGES] [--seconds SECONDS] [--py-spy PATH] [--output FILE]
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from pathlib import Path

import click

from benchmarks.bench import Bench, Sizes
from benchmarks.hubs import Publisher, counting_hub

#: How many functions of each thread are shown.
SHOWN = 10
#: Messages a second that a hub takes at the very most, of which there must be enough.
FASTEST = 25_000


@click.command()
@click.option("--rate", type=float, default=0.0, help="Messages a second; as many as it takes if not given.")
@click.option("--seconds", type=int, default=20, show_default=True, help="For how long to look.")
@click.option("--py-spy", "spy", default="py-spy", show_default=True, help="The command.")
@click.option(
    "--output", type=click.Path(path_type=Path), help="Where the stacks go, as flamegraph.pl reads them."
)
def main(rate: float, seconds: int, spy: str, output: Path | None) -> None:
    """Send messages to a hub, and print which of its functions cost most, themselves, in each thread."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        bench = Bench(Path(directory), Sizes(), 1)
        try:
            stacks = record(bench, rate, seconds, spy)
        finally:
            bench.close()
    if output:
        output.write_text(stacks)
    for thread, counts in own_times(stacks).items():
        total = counts.total()
        click.echo(f"{thread}: {total} samples")
        for name, count in counts.most_common(SHOWN):
            click.echo(f"  {count / total:6.1%}  {name}")


def record(bench: Bench, rate: float, seconds: int, spy: str) -> str:
    """Return the stacks of the hub's threads while it takes messages, and how often each was seen."""
    path = bench.messages("burst", round((rate or FASTEST) * (seconds + 5)))
    place = bench.place()
    publisher, stacks = Publisher(place, path, rate), place / "stacks"
    with bench.database() as url:
        try:
            with counting_hub(place, publisher, {"statscache.sqlalchemy.uri": url}) as hub:
                publisher.start()
                time.sleep(2)
                command = [spy, "record", "--pid", str(hub.process.pid), "--duration", str(seconds)]
                options = ["--format", "raw", "--threads", "--output", str(stacks)]
                subprocess.run([*command, *options], check=True)
                hub.kill()
                return stacks.read_text()
        finally:
            publisher.close()


def own_times(stacks: str) -> dict[str, Counter[str]]:
    """Return how often each function was the innermost, by thread."""
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for line in stacks.splitlines():
        frames, count = line.rsplit(" ", 1)
        thread, *_, function = frames.split(";")
        found[thread][function.rsplit(":", 1)[0] + ")"] += int(count)
    return dict(found)


if __name__ == "__main__":
    main()
