"""The statements that make partitions of a table by its `timestamp`.

Who reads the table needs no right on a partition: PostgreSQL asks for those on the table.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from statscache.database.dialect import LONGEST_NAME
from statscache.schema.objects import in_quotes, quoted
from statscache.span import Span

BY_TIME = ' PARTITION BY RANGE ("timestamp")'
#: How the name ends of the partition of all times that have none of their own. By it a table is known that statscache
#: has partitioned, and may make and drop partitions of.
REST = "rest"
#: And that of a partition that was the whole table before.
OLDEST = "oldest"


def name_of(table: str, suffix: str) -> str:
    """Return the name of a partition, not longer than names can be.

    :param table: the name of the table, without a schema
    """
    whole = f"{table}_{suffix}"
    if len(whole.encode()) <= LONGEST_NAME:
        return whole
    end = f"_{hashlib.sha256(table.encode()).hexdigest()[:8]}_{suffix}"
    return table.encode()[: LONGEST_NAME - len(end)].decode(errors="ignore") + end


def rest_of(table: str, schema: str | None) -> list[str]:
    """Return what makes the partition of a new table that takes all times."""
    name, its = _in(schema, name_of(table, REST)), _in(schema, table)
    about = f"rows of {table} of times that have no partition of their own"
    return [
        f"CREATE TABLE {name} PARTITION OF {its} DEFAULT",
        f"COMMENT ON TABLE {name} IS {in_quotes(about)}",
    ]


def partition_beside(table: str, name: str, rest: str, span: Span) -> list[str]:
    """Return what makes a partition beside its table, moves the rows there that it is to have, and attaches it.

    To create it as a partition would lock the table against everybody who reads it; to attach it locks only `rest`.

    :param table: its name in SQL, as those of the others
    :param rest: the partition that has such rows
    """
    start, stop = (in_quotes(instant(end)) for end in (span.start, span.stop))
    about = f"rows of {table} from {instant(span.start)} to {instant(span.stop)}".replace('"', "")
    moved = f'DELETE FROM {rest} WHERE "timestamp" >= {start} AND "timestamp" < {stop} RETURNING *'
    return [
        f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)",
        f"COMMENT ON TABLE {name} IS {in_quotes(about)}",
        f"WITH moved AS ({moved}) INSERT INTO {name} SELECT * FROM moved",
        f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ({start}) TO ({stop})",
    ]


def instant(second: int) -> str:
    """Return a second since 1970 as PostgreSQL reads it in any time zone."""
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S}+00"


def _in(schema: str | None, name: str) -> str:
    return quoted(name) if schema is None else f"{quoted(schema)}.{quoted(name)}"
