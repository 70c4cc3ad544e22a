"""By which versions of plugins figures were counted.

Whatever no row names was counted by the version that statscache_plugin has, if at all: so there are no rows as long as
a plugin never had another. Where it cannot be told which of two versions has counted, both are named. What takes a
connection is called with one that holds the lock of `statscache.database.lock.counting`, alone or shared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.arrays import array_of_numbers
from statscache.plugins import Base
from statscache.span import Span


class VersionRow(Base):
    """What a version of a plugin has counted."""

    __tablename__ = "statscache_version"
    __table_args__ = (
        {
            "comment": "Which times versions of plugins have counted, or may have, where a plugin has had several; "
            "anything else was counted by the version in statscache_plugin"
        },
    )

    plugin: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    version: Mapped[int] = mapped_column(
        primary_key=True, autoincrement=False, comment="the version, as the plugin's class has it"
    )
    times: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE, comment="the bus time that it has counted, or may have"
    )


#: Notes what a version has counted, where that is not the recorded one, or another has counted of the same time. Who is
#: not the recorded one cannot know what that counts beside it.
NOTE = text("""
WITH span AS (
    SELECT coalesce(range_agg(tstzrange(to_timestamp(start), to_timestamp(stop))), '{}') AS counted
    FROM unnest(CAST(:starts AS bigint[]), CAST(:stops AS bigint[])) AS given (start, stop)
), counting AS (
    SELECT ident, given.version AS its, coalesce(known.version, 1) AS recorded
    FROM unnest(CAST(:plugins AS text[]), CAST(:versions AS integer[])) AS given (plugin, version)
    JOIN statscache_plugin AS known ON ident = given.plugin
), noted AS (
    SELECT ident, its AS version, counted * (
        SELECT range_agg(part) FROM statscache_version AS other, unnest(other.times) AS part
        WHERE other.plugin = ident AND other.version <> its
    ) AS added FROM counting, span WHERE its = recorded
    UNION ALL
    SELECT ident, version, counted FROM counting, span, unnest(ARRAY[its, recorded]) AS version WHERE its <> recorded
)
INSERT INTO statscache_version AS known (plugin, version, times)
SELECT ident, version, added FROM noted WHERE NOT isempty(added) AND NOT EXISTS (
    SELECT FROM statscache_version AS before
    WHERE before.plugin = ident AND before.version = noted.version AND before.times @> added
) ORDER BY ident, version
ON CONFLICT (plugin, version) DO UPDATE SET times = known.times + excluded.times
""")
#: Whether it is to be noted what versions of plugins count: as long as a plugin never had another version, it is not.
MATTERS = """(EXISTS (SELECT FROM statscache_version) OR EXISTS (
    SELECT FROM unnest(CAST(:plugins AS text[]), CAST(:versions AS integer[])) AS given (plugin, version)
    JOIN statscache_plugin AS known ON ident = given.plugin WHERE coalesce(known.version, 1) <> given.version
))"""
CLEAR = text("""
UPDATE statscache_version SET times = times - tstzmultirange(tstzrange(to_timestamp(:start), to_timestamp(:stop)))
WHERE plugin = ANY (CAST(:plugins AS text[]))
""")
FORGET = text("DELETE FROM statscache_version WHERE isempty(times)")


def note_versions(connection: Connection, versions: Mapping[str, int], spans: Iterable[Span]) -> None:
    """Note by which versions some time was counted, where that goes without saying no more.

    :param versions: by plugin, those that have counted
    """
    spans = list(spans)
    if not spans:
        return
    given = {
        "plugins": list(versions),
        "versions": list(versions.values()),
        "starts": array_of_numbers(span.start for span in spans),
        "stops": array_of_numbers(span.stop for span in spans),
    }
    connection.execute(NOTE, given)


def counted_anew(connection: Connection, plugins: Collection[str], span: Span) -> None:
    """Note that nothing of a span comes of earlier versions any more."""
    connection.execute(CLEAR, {"plugins": list(plugins), "start": span.start, "stop": span.stop})
    connection.execute(FORGET)
