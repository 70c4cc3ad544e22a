"""A database that is some milliseconds away.

usage: python -m benchmarks.far URL DIRECTORY SECONDS

The process holds everything back for so many seconds between the server at URL and a socket in DIRECTORY, until its
standard input ends.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from benchmarks.hubs import ROOT
from tests.support.gate import Gate

URI = "statscache.sqlalchemy.uri"


@contextmanager
def far_away(config: Mapping[str, Any], delay: float) -> Iterator[Mapping[str, Any]]:
    """Give a configuration whose database is reached through a proxy that holds everything back for so many seconds.

    The proxy is a process of its own, as it would else take the daemon's time. The database's server must listen on a
    local socket.
    """
    if not delay:
        yield config
        return
    with tempfile.TemporaryDirectory() as directory:
        proxy = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.far", config[URI], directory, str(delay)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert proxy.stdout is not None
        try:
            yield {**config, URI: proxy.stdout.readline().strip()}
        finally:
            proxy.communicate()


def main(url: str, directory: str, delay: str) -> None:
    """Run the proxy."""
    gate = Gate(make_url(url), Path(directory))
    gate.delay = float(delay)
    print(gate.url, flush=True)
    sys.stdin.read()
    gate.shut()


if __name__ == "__main__":
    main(*sys.argv[1:])
