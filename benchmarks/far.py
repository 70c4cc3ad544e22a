"""A database that is some milliseconds away."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from tests.support.gate import Gate


@contextmanager
def far_away(config: Mapping[str, Any], delay: float) -> Iterator[Mapping[str, Any]]:
    """Give a configuration whose database is reached through a proxy that holds everything back for so many seconds.

    The database's server must listen on a local socket.
    """
    if not delay:
        yield config
        return
    with tempfile.TemporaryDirectory() as directory:
        gate = Gate(make_url(config["statscache.sqlalchemy.uri"]), Path(directory))
        gate.delay = delay
        try:
            yield {**config, "statscache.sqlalchemy.uri": gate.url}
        finally:
            gate.shut()
