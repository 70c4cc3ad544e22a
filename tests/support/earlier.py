"""The tables as earlier versions have left them, with rows in them.

`tables_of_0001.sql.gz` is what pg_dump --inserts gave of a database in which a daemon of the commit before the first
revision had counted 200 messages of the demo's traffic and one that some plugins cannot count, and was killed.
"""

from __future__ import annotations

import gzip
from pathlib import Path

from sqlalchemy import Engine

DUMP = Path(__file__).with_name("tables_of_0001.sql.gz")
#: What only the psql or the server of the dump's own version knows.
FOREIGN = ("\\", "SET transaction_timeout")

#: The daemon of the dump was killed long ago, however old the dump is.
LONG_AGO = "UPDATE public.statscache_spool SET updated = updated - interval '30 days'"


def restore(engine: Engine) -> None:
    """Fill an empty database with the tables of before the first revision."""
    lines = gzip.decompress(DUMP.read_bytes()).decode().splitlines(keepends=True)
    statements = "".join(line for line in lines if not line.startswith(FOREIGN))
    raw = engine.raw_connection()
    try:
        with raw.cursor() as cursor:
            cursor.execute(statements)
            cursor.execute(LONG_AGO)
        raw.commit()
    finally:
        raw.invalidate()  # a dump sets the search path of its session
