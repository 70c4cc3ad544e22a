"""python -m tests.history [--runs N] [--seed S]"""

from __future__ import annotations

import argparse
import logging
import signal
import sys

from tests.history.suite import ROUNDS, Suite


def main() -> int:
    """Run the suite; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.history", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=120, help="how often a daemon is killed and all is compared"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many of them in each scenario")
    parser.add_argument("--seed", type=int, default=1, help="of the first scenario")
    arguments = parser.parse_args()
    logging.getLogger("statscache").setLevel(
        logging.CRITICAL
    )  # of the suite's own process, which only compares
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit("interrupted"))  # and leave no process behind
    score = Suite(arguments.seed).run(arguments.runs, arguments.rounds)
    print(score)
    return 1 if score.differences else 0


if __name__ == "__main__":
    sys.exit(main())
