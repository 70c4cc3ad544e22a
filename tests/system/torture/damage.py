"""What is done to tables by hand before they are counted again. The windows of the present are not over, and stay."""

from __future__ import annotations

from sqlalchemy import Engine, text

from tests.support.all_kinds import CONTRIBUTIONS, NEWCOMERS
from tests.support.lengths import KEYS
from tests.support.reference import LENGTHS

#: Before all that is sent.
SINCE = "2018-12-01"


def over(seconds: int = 3600) -> str:
    """Return up to when windows of so many seconds are over."""
    return f"date_bin('{seconds} seconds', now() - interval '1 minute', to_timestamp(0))"


def of_lengths(table: str) -> list[str]:
    """Return what damages a table of durations, and its events."""
    then = f"timestamp < {over()}"
    return [
        f"UPDATE {table} SET seconds = seconds + 1 WHERE {then} AND bucket % 3 = 1",
        f"DELETE FROM {table} WHERE {then} AND bucket % 3 = 2",
        f"DELETE FROM {table}_event WHERE {then} AND extract(epoch FROM timestamp)::bigint % 2 = 1",
    ]


def of_contributions(table: str) -> list[str]:
    """Return what damages a table of contributions."""
    then = f"timestamp < {over(LENGTHS[table.rpartition('_')[2]])}"
    return [
        f"UPDATE {table} SET volume = volume + 1 WHERE {then} AND agent < 'd'",
        f"DELETE FROM {table} WHERE {then} AND agent > 'j'",
    ]


DAMAGE = [
    *(statement for table in KEYS for statement in of_lengths(table)),
    *(statement for table in CONTRIBUTIONS for statement in of_contributions(table)),
    # Not earlier: what was first seen before the time that is counted again stays so.
    f"UPDATE {NEWCOMERS} SET first = first + interval '1 second' "
    f"WHERE last < {over()} AND first < last AND agent < 'd'",
    f"UPDATE {NEWCOMERS} SET last = last - interval '1 second' WHERE last < {over()} AND agent BETWEEN 'd' AND 'f'",
    f"DELETE FROM {NEWCOMERS} WHERE last < {over()} AND agent > 'j'",
]


def damage(engine: Engine) -> None:
    """Damage the tables."""
    with engine.begin() as connection:
        for statement in DAMAGE:
            connection.execute(text(statement))
