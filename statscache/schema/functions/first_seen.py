"""What answers questions about a table of first times: how many were new."""

from __future__ import annotations

from statscache.schema.functions.figures import BIGINT
from statscache.schema.functions.people import IS_BOT
from statscache.schema.functions.periods import ByPeriod
from statscache.schema.functions.table import INSTANT, WindowTable, variant
from statscache.schema.objects import Variant, quoted


def new(its: WindowTable) -> Variant:
    """Return what counts, by period, who or what was seen for the first time ever."""
    its = its.asked_once
    parts = ByPeriod(its, its.others if its.person else {}, told_apart=False)
    whose = [quoted(its.person)] if its.person else its.columns
    columns = ", ".join(f"r.{column}" for column in whose)
    wanted = " AND ".join(parts.wanted) or "true"
    human = f" AND NOT {quoted(its.home)}.{IS_BOT}(f.{whose[0]})" if its.person else ""
    body = (
        f"WITH {parts.bounds}, firsts AS (SELECT {columns}, min(r.first) AS its_first "
        f"FROM {its.name} AS r WHERE {wanted} GROUP BY {columns}), "
        "figure AS (SELECT width_bucket(f.its_first, (SELECT b.begins FROM bounds AS b)) AS place, count(*) AS new "
        f"FROM firsts AS f WHERE f.its_first < (SELECT b.last FROM bounds AS b){human} GROUP BY 1) "
        f"SELECT p.begins, coalesce(f.new, 0), {its.since_ever('p.begins', 'p.ends')} "
        "FROM period AS p LEFT JOIN figure AS f USING (place) ORDER BY p.begins"
    )
    about = (
        "how many were seen for the first time ever in each period of a step and a zone, or in all of the time from "
        "start to before stop, without bots; complete says whether all time before is, too"
    )
    return variant(
        its, parts.arguments, {"timestamp": INSTANT, "new": BIGINT, "complete": "boolean"}, body, about
    )
