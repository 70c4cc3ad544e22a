"""The view that tells how complete each table is."""

from __future__ import annotations

from sqlalchemy import Engine

from statscache.database.lock import counting
from statscache.schema.objects import Definition, Variant, home_of, see_to
from statscache.store.removals import REMOVED

#: Complete is what every plugin that writes the table has covered, without the seconds of which a message is in the
#: quarantine for it, each span less the plugin's reach at its start, and without what somebody has removed from it or
#: what is not kept any more.
QUERY = f"""
WITH removed AS ({REMOVED}
), quarantined AS (
    SELECT plugin, count(*) AS messages, range_agg(tstzrange(second, second + interval '1 second')) AS seconds
    FROM (SELECT plugin, date_trunc('second', timestamp) AS second FROM statscache_quarantine) AS each
    GROUP BY plugin
), counted AS (
    SELECT ident, tables[1] AS table_name, updated, since + coalesce(reach, interval '0 seconds') AS since, messages,
        late, coalesce(version, 1) AS version, CASE WHEN reach IS NULL THEN known ELSE (
            SELECT coalesce(range_agg(tstzrange(lower(span) + reach, upper(span))), '{{}}') FROM unnest(known) AS span
            WHERE lower_inf(span) OR upper_inf(span) OR lower(span) + reach < upper(span)) END AS known
    FROM statscache_plugin JOIN statscache_coverage ON plugin = ident LEFT JOIN quarantined USING (plugin),
        LATERAL (SELECT covered - coalesce(seconds, '{{}}') AS known) AS each
    WHERE tables <> '{{}}'
), counts AS (
    SELECT table_name,
        array_agg(ident ORDER BY ident) AS plugins,
        range_intersect_agg(known) AS counted,
        date_trunc('second', max(since) + interval '999999 microseconds') AS since,
        min(updated) AS last_flush,
        coalesce(sum(messages), 0)::bigint AS quarantined,
        max(late) AS late,
        jsonb_object_agg(ident, version) AS versions
    FROM counted
    GROUP BY table_name
), present AS (
    SELECT *, counted - coalesce(removed, '{{}}') - coalesce(times, '{{}}') AS complete
    FROM counts LEFT JOIN removed USING (table_name) LEFT JOIN statscache_not_kept USING (table_name)
), newest AS (
    SELECT *, (SELECT span FROM unnest(complete) AS span ORDER BY span DESC LIMIT 1) AS newest FROM present
)
SELECT table_name,
    lower(newest) AS complete_from,
    upper(newest) AS complete_through,
    last_flush,
    (SELECT count(*) FROM unnest(tstzmultirange(tstzrange(least(since, upper(newest)), upper(newest))) - complete
        - coalesce(times, '{{}}'))) AS open_gaps,
    quarantined,
    late,
    complete,
    plugins,
    coalesce(removed, '{{}}') AS removed,
    since AS history_from,
    versions,
    (SELECT jsonb_agg(its) FROM statscache_version AS its WHERE plugin = ANY (plugins)) AS earlier_versions,
    coalesce(times, '{{}}') AS not_kept
FROM newest
"""
COMMENTS = {
    "table_name": "the table",
    "complete_from": "the start of the newest complete span, of which it has every message; null if there is none",
    "complete_through": "the end of that span",
    "last_flush": "when it was last written, or found to have nothing to write",
    "open_gaps": "how many gaps there are before complete_through, of which it may lack messages",
    "quarantined": "how many messages are in the quarantine for it",
    "late": "how many messages came later than statscache.coverage.lateness; they are in the table",
    "complete": "all spans of which it has every message",
    "plugins": "the plugins that write it",
    "removed": "the times of which somebody has removed rows by hand: they are not complete any more",
    "history_from": "from when on it is to have every message that history has",
    "versions": "the version of each of these plugins that counts now, in JSON",
    "earlier_versions": "what statscache_version has of these plugins, in JSON; null for nothing",
    "not_kept": "the times that are not kept any more, as statscache.keep says: neither complete nor a gap",
}
NAME = "statscache_freshness"


def create_views(engine: Engine) -> None:
    """Create the view unless it is there as it should be."""
    variant = Variant(f" AS {QUERY}", "How complete each table is, one row for each", columns=COMMENTS)
    with counting(engine, patient=True) as connection:
        see_to(connection, [Definition("VIEW", home_of(connection), NAME, [variant])])
