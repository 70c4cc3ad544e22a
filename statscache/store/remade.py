"""The plugins whose tables were made anew in another form, and by which version they are counted since.

Only who holds the lock of `statscache.database.lock.counting` alone writes it, so whoever holds that shared can rely on
it until the end of the transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Engine, Integer, func, literal_column, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.relations import is_there
from statscache.plugins import Base


class RemadeRow(Base):
    """A plugin whose table was made anew."""

    __tablename__ = "statscache_remade"
    __table_args__ = (
        {
            "comment": "The plugins whose tables statscache upgrade --plugin has made anew: no daemon counts into one "
            "that was started before, or has an earlier version of the plugin"
        },
    )

    plugin: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    version: Mapped[int] = mapped_column(Integer, comment="the version for which it was made anew last")
    times: Mapped[int] = mapped_column(Integer, comment="how often it was made anew")
    emptied: Mapped[datetime | None] = mapped_column(
        comment="up to when its rows are gone, unless an archive has filled it since; null where all were kept"
    )
    noted: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="when this was last written"
    )


#: Which plugins no program may count with that has these versions of them and knows so many exchanges of each table.
OUTDATED = """ARRAY(
    SELECT given.plugin
    FROM unnest(CAST(:plugins AS text[]), CAST(:versions AS integer[]), CAST(:times AS integer[]))
        AS given (plugin, version, times)
    JOIN statscache_remade AS its ON its.plugin = given.plugin
    WHERE given.version < its.version OR given.times <> its.times
)"""
TIMES = text("SELECT plugin, times FROM statscache_remade")
LATER = text("""
SELECT its.plugin, its.version
FROM unnest(CAST(:plugins AS text[]), CAST(:versions AS integer[])) AS given (plugin, version)
JOIN statscache_remade AS its ON its.plugin = given.plugin WHERE given.version < its.version
""")
NOTE = text("""
INSERT INTO statscache_remade AS known (plugin, version, times, emptied)
SELECT plugin, version, 1, CASE WHEN :emptied THEN clock_timestamp() END
FROM unnest(CAST(:plugins AS text[]), CAST(:versions AS integer[])) AS given (plugin, version)
ON CONFLICT (plugin) DO UPDATE SET version = excluded.version, times = known.times + 1,
    emptied = coalesce(excluded.emptied, known.emptied), noted = clock_timestamp()
""")
#: The time that what a daemon hears can cover for the plugin of a row of coverage: what it counted before the table was
#: emptied is not there any more, though it may claim that time only now.
SINCE_EMPTIED = """coalesce((
    SELECT tstzmultirange(tstzrange(date_trunc('second', emptied) + interval '1 second', NULL))
    FROM statscache_remade WHERE plugin = statscache_coverage.plugin
), '{(,)}')"""


@lru_cache(maxsize=8)
def since_emptied(limit: Any) -> Any:
    """Return what is within a limit of the time that what is heard can cover, for the plugin of a row of coverage.

    :param limit: a multirange; of the same one the same is returned, as that is made for each flush
    """
    return limit * literal_column(SINCE_EMPTIED, TSTZMULTIRANGE)


def times_remade(engine: Engine) -> dict[str, int]:
    """Return how often the table of each plugin was made anew; none where an earlier version has made the tables."""
    with engine.connect() as connection:
        return dict(connection.execute(TIMES).all()) if is_there(connection, RemadeRow.__tablename__) else {}


def remade_for_later(connection: Connection, versions: Mapping[str, int]) -> dict[str, int]:
    """Return for which version tables were made anew, of plugins of which an earlier one is here.

    :param versions: those that are here, by plugin
    """
    given = {"plugins": list(versions), "versions": list(versions.values())}
    return dict(connection.execute(LATER, given).all())


def note_remade(connection: Connection, versions: Mapping[str, int], emptied: bool) -> None:
    """Note that the tables of plugins are made anew.

    :param connection: holds the lock alone
    :param versions: by which they are counted from now on, by plugin
    :param emptied: whether their rows are gone
    """
    given = {"plugins": list(versions), "versions": list(versions.values()), "emptied": emptied}
    connection.execute(NOTE, given)
