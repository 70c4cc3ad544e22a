"""python -m tests.system.history [--runs N] [--seed S]"""

from __future__ import annotations

import argparse
import sys

from tests.system.history.suite import ROUNDS, Suite
from tests.system.torture.__main__ import prepare_process


def main() -> int:
    """Run the suite; 1 if anything differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.system.history", description=__doc__)
    parser.add_argument(
        "--runs", type=int, default=120, help="how often a daemon is killed and all is compared"
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how many of them in each scenario")
    parser.add_argument("--seed", type=int, default=1, help="of the first scenario")
    arguments = parser.parse_args()
    prepare_process()
    score = Suite(arguments.seed).run(arguments.runs, arguments.rounds)
    print(score)
    return 1 if score.differences else 0


if __name__ == "__main__":
    sys.exit(main())
