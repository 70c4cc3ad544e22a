"""The daemons that count into this database, each known by its spool, and the versions of their programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from typing import Any

from sqlalchemy import Connection, Text, cast, literal, text

from statscache.store.revisions import NEWEST

#: Daemons that know no revision up to a number, and wrote to the row of their spool not long ago. One that is cut off
#: from the database for longer finds out by itself that it is too old, unless it is of a version before there were
#: revisions: its row counts for a day. The two columns may be missing yet.
EARLIER = text("""
SELECT id, its ->> 'version', updated, extract(epoch FROM now() - updated)::bigint
FROM statscache_spool AS spool, to_jsonb(spool) AS its, LATERAL (SELECT (its ->> 'revision')::bigint AS known) AS each
WHERE coalesce(known, 1) < :number
AND updated > now() - CASE WHEN known IS NULL THEN interval '1 day' ELSE interval '10 minutes' END
ORDER BY updated DESC
""")

#: The first revision whose programs heed what is not kept any more, and who is forgotten.
HEEDING = 2
#: Whether the row of a spool has room for a version, as it has not while an upgrade is put off.
SIGNABLE = text(
    "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('statscache_spool') "
    "AND attname = 'revision' AND NOT attisdropped)"
)


@dataclass(frozen=True)
class EarlierDaemon:
    """A daemon of an earlier version that may still run.

    :param spool: the name of its spool
    :param version: that of statscache; None for one of before these were noted
    :param updated: when it last wrote
    :param age: how many seconds ago that was
    """

    spool: str
    version: str | None
    updated: datetime
    age: int

    def __str__(self) -> str:
        version = self.version or "before 1.0.0"
        return f"a daemon of version {version} that wrote {self.age} s ago (spool {self.spool})"


def earlier_daemons(connection: Connection, number: int) -> Sequence[EarlierDaemon]:
    """Return the daemons that may still run and do not know the revision with a number, the latest to write first."""
    return [EarlierDaemon(*row) for row in connection.execute(EARLIER, {"number": number})]


def heedless_daemons(connection: Connection) -> Sequence[EarlierDaemon]:
    """Return the daemons that may still run and heed neither what is not kept any more nor who is forgotten."""
    return earlier_daemons(connection, HEEDING)


def signature(connection: Connection) -> dict[str, Any]:
    """Return what the row of a spool has of the version of its daemon, which is this program, by column."""
    if not connection.scalar(SIGNABLE):
        return {}
    return {"version": cast(version("statscache"), Text), "revision": literal(NEWEST)}
