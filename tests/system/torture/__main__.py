"""python -m tests.system.torture [--scenarios N] [--messages N] [--seed S]"""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from tests.system.torture.suite import run


def main() -> int:
    """Run the suite; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.torture", description=__doc__)
    parser.add_argument("--scenarios", type=int, default=20, help="how many, each with the next seed")
    parser.add_argument("--messages", type=int, default=25_000, help="how many are sent in each")
    parser.add_argument("--rate", type=float, default=1200.0, help="messages a second")
    parser.add_argument("--seed", type=int, default=1, help="of the first scenario")
    arguments = parser.parse_args()
    prepare_process()
    score = run(arguments.scenarios, arguments.messages, arguments.rate, arguments.seed)
    print(score)
    return 1 if score.differences else 0


def prepare_process() -> None:
    """Let this process, which only compares, log nothing, and leave none behind when it is interrupted."""
    logging.getLogger("statscache").setLevel(logging.CRITICAL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))


if __name__ == "__main__":
    sys.exit(main())
