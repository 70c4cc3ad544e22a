"""What Grafana makes of a dashboard's queries before a PostgreSQL sees them.

Variables are put in by its front end: `$name` and `${name}`, in a query of several values each quoted, and
`${name:sqlstring}`, quoted always. Macros are put in by its PostgreSQL data source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

DASHBOARD = Path(__file__).parents[2] / "extras" / "grafana" / "statscache.json"
VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")
MACRO = re.compile(r"\$__(\w+)\(([^()]*)\)")
UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Values = Mapping[str, str | list[str]]


def dashboard() -> dict[str, Any]:
    """Return the dashboard as it is in the file."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def panels() -> Iterator[dict[str, Any]]:
    """Yield all panels, those of collapsed rows too."""
    for panel in dashboard()["panels"]:
        yield panel
        yield from panel.get("panels", [])


def queries() -> dict[str, tuple[str, str]]:
    """Return each query and its format, by the panel's title or the variable's name."""
    found = {}
    for panel in panels():
        for target in panel.get("targets", []):
            found[panel["title"]] = (target["rawSql"], target["format"])
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            found[f"${variable['name']}"] = (variable["query"], "table")
    return found


def expanded(query: str, values: Values, start: datetime, stop: datetime) -> str:
    """Return a query as the database gets it.

    :param values: what is chosen for each variable; a list for one of several values
    """

    def variable(match: re.Match[str]) -> str:
        name, form = match[1] or match[3], match[2]
        return _value(values[name], form) if name in values else match[0]

    def macro(match: re.Match[str]) -> str:
        return _macro(match[1], [part.strip() for part in match[2].split(",")], start, stop)

    done = MACRO.sub(macro, VARIABLE.sub(variable, query))
    assert "$" not in done, f"Grafana knows no such variable or macro: {done}"
    return done


def _value(chosen: str | list[str], form: str | None) -> str:
    if isinstance(chosen, list) or form == "sqlstring":
        each = [chosen] if isinstance(chosen, str) else chosen
        return ",".join("'" + value.replace("'", "''") + "'" for value in each)
    return chosen.replace("'", "''")


def _macro(name: str, arguments: list[str], start: datetime, stop: datetime) -> str:
    first, last = (
        f"'{when.astimezone(UTC).isoformat(timespec='milliseconds')[:-6]}Z'" for when in (start, stop)
    )
    if name == "timeFrom":
        return first
    if name == "timeTo":
        return last
    if name == "timeFilter":
        return f"{arguments[0]} BETWEEN {first} AND {last}"
    assert name == "timeGroupAlias", f"no macro of Grafana's PostgreSQL data source: {name}"
    column, interval = arguments[0], arguments[1].strip("'")
    seconds = int(interval[:-1]) * UNITS[interval[-1]]
    return f'floor(extract(epoch from {column})/{seconds})*{seconds} AS "time"'
