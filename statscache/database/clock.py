"""What time it is for the database."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Engine, extract, func, select

from statscache.process.clocks import Clocks


def began(connection: Connection) -> float:
    """Return when the transaction began, by the database's clock, in seconds since 1970."""
    return float(connection.execute(select(extract("epoch", func.now()))).scalar_one())


def note_clock(connection: Connection, clocks: Clocks) -> None:
    """Note what the database's clock shows."""
    asked = clocks.monotonic()
    instant = connection.execute(select(extract("epoch", func.clock_timestamp()))).scalar_one()
    clocks.note_database(float(instant), asked, clocks.monotonic())


def earliest_now(engine: Engine) -> float:
    """Return the time by that clock which is behind the other, this machine's or the database's, since 1970."""
    with engine.connect() as connection:
        return min(time.time(), began(connection))
