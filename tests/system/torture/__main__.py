"""python -m tests.system.torture [--only GROUP] [--runs N] [--messages N] [--rate R] [--seed S]"""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from tests.system.torture.scenarios import GROUPS, chosen
from tests.system.torture.suite import Load, drawn, run

#: What is sent if all scenarios are played, and if those of one group are, so that none of these takes long.
ALL, GROUP = Load(25_000, 1200.0), Load(6_000, 300.0)


def main() -> int:
    """Run the suite; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.torture", description=__doc__)
    parser.add_argument("--only", choices=GROUPS, help="play the scenarios of this group")
    parser.add_argument(
        "--runs",
        "--scenarios",
        type=int,
        help="how many are played, each with the next seed; each one once if not given",
    )
    parser.add_argument("--messages", type=int, help="how many are sent in each")
    parser.add_argument("--rate", type=float, help="messages a second")
    parser.add_argument("--seed", type=int, default=1, help="of the first scenario")
    arguments = parser.parse_args()
    prepare_process()
    usual = GROUP if arguments.only else ALL
    load = Load(arguments.messages or usual.messages, arguments.rate or usual.rate)
    runs = arguments.runs or len(chosen(arguments.only))
    score = run(drawn(arguments.only, runs, arguments.seed), load, arguments.seed)
    print(score)
    return 1 if score.differences else 0


def prepare_process() -> None:
    """Let this process, which only compares, log nothing, and leave none behind when it is interrupted."""
    logging.getLogger("statscache").setLevel(logging.CRITICAL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))


if __name__ == "__main__":
    sys.exit(main())
