"""Tables by their names as models have them, whatever is in these: ``data_volume_1m``, or ``stats.Volume``."""

from __future__ import annotations

from sqlalchemy import Connection, text

#: The table of such a name, null if there is none.
REGCLASS = """to_regclass('"' || replace(replace({}, '"', '""'), '.', '"."') || '"')"""
IS_THERE = text(f"SELECT {REGCLASS.format('CAST(:name AS text)')} IS NOT NULL")


def is_there(connection: Connection, name: str) -> bool:
    """Return whether there is a table, or something else, of a name.

    An earlier version, for one, does not make all of statscache's own.
    """
    return bool(connection.scalar(IS_THERE, {"name": name}))
