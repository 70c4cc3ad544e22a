"""Where the figures were taken."""

from __future__ import annotations

import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import create_engine, text

PACKAGES = ("statscache", "SQLAlchemy", "psycopg2-binary", "pyzmq", "fedmsg", "moksha.hub", "Twisted")


def describe(url: str) -> dict[str, Any]:
    """Return the date, the machine and the versions.

    :param url: a database on the server that is used
    """
    engine = create_engine(url)
    with engine.connect() as connection:
        server = connection.scalar(text("SHOW server_version"))
    engine.dispose()
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "processor": _processor(),
        "cores": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "load": psutil.getloadavg(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "postgresql": server,
        **{package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor())
