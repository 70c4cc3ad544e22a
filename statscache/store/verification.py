"""What was found when tables were compared with history, for as long as nothing of it is known to have changed.

Whoever compares claims the time first. What changes of it meanwhile, as by a message that is late, is taken out of the
claim as it is out of what was found before.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Identity, func, text
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.arrays import array_of_numbers
from statscache.database.lock import APART
from statscache.plugins import Base
from statscache.span import Span

#: What is younger than this is not kept: whoever counts messages that are not much late need not look here.
YOUNGEST = "5 minutes"
#: So many stretches of time are kept of what was found at once, the longest ones.
MOST = 1000


class VerificationRow(Base):
    """What was found at once in a table, or is being looked for."""

    __tablename__ = "statscache_verification"
    __table_args__ = (
        {"comment": "Which times of each table were compared with an archive, and whether they agreed"},
    )

    id: Mapped[int] = mapped_column(Identity(), primary_key=True, comment="a number for this row")
    table_name: Mapped[str] = mapped_column(comment="the table")
    times: Mapped[Any] = mapped_column(
        TSTZMULTIRANGE, comment="the windows that were compared, without those that may have changed since"
    )
    agrees: Mapped[bool | None] = mapped_column(
        comment="whether they are as the archive has them; null while that is being found out"
    )
    archive: Mapped[str] = mapped_column(comment="what they were compared with")
    checked: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(),
        comment="when that began, the first time for what is put together",
    )


#: Puts together what was found in one day, of what is older than a month in one month, and in one year after a year.
FOLD = text("""
WITH each AS (
    SELECT id, table_name, agrees, archive, checked, times, date_trunc(CASE
        WHEN checked > now() - interval '31 days' THEN 'day' WHEN checked > now() - interval '1 year' THEN 'month'
        ELSE 'year' END, checked, 'UTC') AS while
    FROM statscache_verification WHERE agrees IS NOT NULL
), alike AS (
    SELECT array_agg(id) AS ids, table_name, agrees, archive, min(checked) AS checked FROM each
    GROUP BY table_name, agrees, archive, while HAVING count(*) > 1
), united AS (
    SELECT ids, range_agg(part) AS times FROM alike JOIN each ON each.id = ANY (ids), unnest(times) AS part GROUP BY ids
), gone AS (
    DELETE FROM statscache_verification USING alike WHERE id = ANY (ids)
)
INSERT INTO statscache_verification (table_name, times, agrees, archive, checked)
SELECT table_name, times, agrees, archive, checked FROM alike JOIN united USING (ids)
""")
#: Leaves out the shortest stretches where there are too many.
CAP = text(f"""
UPDATE statscache_verification AS its SET times = (
    SELECT range_agg(part) FROM (
        SELECT part FROM unnest(its.times) AS part ORDER BY upper(part) - lower(part) DESC, part DESC LIMIT {MOST}
    ) AS longest
) WHERE agrees IS NOT NULL AND (SELECT count(*) FROM unnest(its.times)) > {MOST}
""")
#: A claim that is so old is of somebody who was ended.
FORGET = text("""
DELETE FROM statscache_verification
WHERE isempty(times) AND agrees IS NOT NULL OR agrees IS NULL AND checked < now() - interval '30 days'
""")
#: Takes out what is not complete any more: once it is, it is counted anew.
LEAVE_OUT_INCOMPLETE = text("""
UPDATE statscache_verification AS its SET times = its.times * complete
FROM statscache_freshness AS known WHERE known.table_name = its.table_name AND NOT its.times <@ complete
""")
#: The times that are given by their ends, in seconds since 1970.
TIMES = """(
    SELECT coalesce(range_agg(tstzrange(to_timestamp(start), to_timestamp(stop))), '{}')
    FROM unnest(CAST(:starts AS bigint[]), CAST(:stops AS bigint[])) AS given (start, stop)
)"""
CLAIM = text(f"""
INSERT INTO statscache_verification (table_name, times, archive) VALUES (:table, {TIMES}, :archive) RETURNING id
""")
REPLACE = text(f"""
UPDATE statscache_verification SET times = times - {TIMES} WHERE table_name = :table AND agrees IS NOT NULL
""")
KEEP = text(f"""
INSERT INTO statscache_verification (table_name, times, agrees, archive, checked)
SELECT table_name, found, CAST(:agrees AS boolean), archive, checked
FROM statscache_verification AS claim JOIN statscache_freshness USING (table_name),
    LATERAL (SELECT claim.times * complete * {TIMES}
        * tstzmultirange(tstzrange(NULL, date_trunc('second', now()) - interval '{YOUNGEST}'))) AS its (found)
WHERE claim.id = :claim AND NOT isempty(found)
""")
END = text(
    "DELETE FROM statscache_verification WHERE id = ANY (CAST(:claims AS bigint[])) AND agrees IS NULL"
)
#: Messages of a time matter to windows as long afterwards as a plugin's reach says.
CLIP = text(f"""
UPDATE statscache_verification AS known SET times = known.times - each.gone FROM (
    SELECT table_name, range_agg(tstzrange(lower(span), upper(span) + coalesce(reach, interval '0 seconds'))) AS gone
    FROM {TIMES} AS given (spans), unnest(given.spans) AS span, statscache_plugin, unnest(tables) AS table_name
    WHERE ident = ANY (CAST(:plugins AS text[])) GROUP BY table_name
) AS each
WHERE each.table_name = known.table_name AND known.times && each.gone
""")


def claim(connection: Connection, archive: str, spans: Mapping[str, Sequence[Span]]) -> dict[str, int]:
    """Note which times of tables are about to be compared with an archive, and return the number of each claim.

    :param connection: holds the lock of `statscache.database.lock.counting`: what was counted before is then committed
    :param spans: by table; nothing is claimed where there are none
    """
    return {
        table: connection.execute(CLAIM, {"table": table, "archive": archive, **ends(its)}).scalar_one()
        for table, its in spans.items()
        if its
    }


@dataclass(frozen=True)
class Found:
    """What was found of a claim: the spans that agree with the archive, and those that do not."""

    table: str
    agreeing: Sequence[Span]
    differing: Sequence[Span]


def settle(connection: Connection, claim: int, found: Found) -> None:
    """Keep what was found, in place of what was found before of the same time.

    That is nothing for what may have changed meanwhile, for what is not complete, and for what is too young.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    compared = ends([*found.agreeing, *found.differing])
    connection.execute(REPLACE, {"table": found.table, **compared})
    for agrees, spans in ((True, found.agreeing), (False, found.differing)):
        connection.execute(KEEP, {"claim": claim, "agrees": agrees, **ends(spans)})
    forget(connection, [claim])


def forget(connection: Connection, claims: Iterable[int]) -> None:
    """Forget claims that are not settled."""
    connection.execute(END, {"claims": list(claims)})


def clip(connection: Connection, plugins: Collection[str], spans: Iterable[Span]) -> None:
    """Note that what plugins have counted of some time may have changed: nothing is known of it any more."""
    spans = list(spans)
    if spans and not connection.get_execution_options().get(APART):
        connection.execute(CLIP, {"plugins": list(plugins), **ends(spans)})


def tidy(connection: Connection) -> None:
    """Take out what is not complete any more, and keep the table small.

    :param connection: holds the lock of `statscache.database.lock.counting`
    """
    for statement in (LEAVE_OUT_INCOMPLETE, FOLD, CAP, FORGET):
        connection.execute(statement)


def ends(spans: Iterable[Span]) -> dict[str, str]:
    """Return the ends of spans, as `TIMES` takes them."""
    spans = list(spans)
    starts, stops = (array_of_numbers(getattr(span, end) for span in spans) for end in ("start", "stop"))
    return {"starts": starts, "stops": stops}
