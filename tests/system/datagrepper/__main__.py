"""Serve a file of messages as datagrepper would, until interrupted.

Each line of the file is a message, or an object with a `message` and, if that is late, the `request` (counted from 1)
or the `instant` (epoch seconds) from which on it is in the archive. ``POST /control/NAME`` with a JSON object does what
the method NAME of tests.system.datagrepper.Archive does.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from typing import Any

from tests.system.datagrepper.archive import Archive
from tests.system.datagrepper.faults import Fault, Faults

LATE = ("request", "instant")


def main() -> None:
    """Run the stand-in; its first line of output is its URL."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit())
    options = _options()
    rates = dict.fromkeys(Fault, options.rate) if options.faults is not None else {}
    faults = Faults(options.faults or 0, rates, options.delay, options.retry_after)
    try:
        archive = Archive(exact=options.exact, shuffle=options.shuffle, faults=faults, port=options.port)
    except (OSError, OverflowError) as error:
        sys.exit(f"port {options.port} cannot be listened on, choose another with --port: {error}")
    _load(archive, options.file)
    print(archive.url, flush=True)
    if options.until_eof:
        sys.stdin.read()
    else:
        signal.pause()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.system.datagrepper",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE.jsonl")
    parser.add_argument("--port", type=int, default=0, help="to listen on; any free one otherwise")
    parser.add_argument("--faults", type=int, metavar="SEED", help="fail by chance")
    parser.add_argument(
        "--rate", type=float, default=0.01, help="how often each fault comes; default %(default)s"
    )
    parser.add_argument("--delay", type=float, default=1.0, help="seconds that a slow answer takes")
    parser.add_argument("--retry-after", type=int, default=1, help="seconds that a 429 tells to wait")
    parser.add_argument(
        "--shuffle", type=int, metavar="SEED", help="give rows of one instant in changing order"
    )
    parser.add_argument("--exact", action="store_true", help="give messages as they are in the file")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input does")
    return parser.parse_args()


def _load(archive: Archive, path: Path) -> None:
    try:
        with path.open(encoding="utf-8") as lines:
            found = [json.loads(line) for line in lines]
    except (OSError, ValueError) as error:
        sys.exit(f"{path} cannot be served, it must be a file of JSON lines: {error}")
    archive.add(line.get("message", line) for line in found if not late(line))
    for line in filter(late, found):
        archive.add([line["message"]], **late(line))


def late(line: dict[str, Any]) -> dict[str, Any]:
    """Return from when on the message of a line is in the archive, if that is not from the start."""
    return {key: line[key] for key in LATE if key in line and "message" in line}


if __name__ == "__main__":
    main()
