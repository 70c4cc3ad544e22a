"""What the tables hold and what they should, in one form: {table: {key: cell}}."""

from __future__ import annotations

import json
from collections import Counter
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, inspect, text

from tests.support.all_kinds import CONTRIBUTIONS, NEWCOMERS

#: The windows of most tables: how a name ends, and their seconds.
LENGTHS = (("1s", 1), ("5s", 5), ("1m", 60), ("1h", 3600), ("1d", 86400))
#: Of each table: what the oracle calls it, and its key column.
TABLES = {
    **{f"data_volume_{n}": (f"volume_{s}s", None) for n, s in LENGTHS},
    **{
        f"data_volume_by_category_{n}": (f"category_{s}s", "category")
        for n, s in (("1s", 1), ("15s", 15), ("1m", 60), ("1h", 3600), ("1d", 86400))
    },
    **{
        f"data_volume_by_{kind}_{n}": (f"{kind}_{s}s", column)
        for kind, column in (("topic", "topic"), ("user", "username"), ("package", "package"))
        for n, s in LENGTHS
    },
    "data_pagure_contribution_1d": ("pagure_86400s", None),
    "data_pagure_user_contribution_1d": ("pagure_user_86400s", "username"),
    "data_pagure_project_contribution_1d": ("pagure_project_86400s", "project"),
    "data_releng_dashboard": ("releng_latest", None),
}
#: The tables of what people do.
PEOPLE = (*CONTRIBUTIONS, NEWCOMERS)
#: What holds of the tables whose windows depend on no message before them: of the others, the first are never complete.
NO_REACH = "table_name NOT IN (SELECT tables[1] FROM statscache_plugin WHERE reach IS NOT NULL)"
#: How many those of our plugins are, and of which all is complete.
COMPLETE_TABLES = len(TABLES) + len(PEOPLE) + len(["data_note"])
Cells = dict[str, dict[Any, Any]]


def expected_after(shared: Path, name: str) -> Cells:
    """Return what the tables must hold after a file of messages, as far as it can be known here.

    Users and packages were computed with the Fedora processors, so without them those tables are left out.
    Taskotron's packages are never asked for, since that takes the network.
    """
    oracle = json.loads((shared / "data" / f"expected_{name}.json").read_text(encoding="utf-8"))
    for line in (shared / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines():
        _without_taskotron(oracle["tables"], json.loads(line))
    expected = expected_tables(oracle)
    if find_spec("fedmsg_meta_fedora_infrastructure") is None:
        expected = {table: cells for table, cells in expected.items() if "by_user" not in table}
        expected = {table: cells for table, cells in expected.items() if "by_package" not in table}
    return expected


def _without_taskotron(tables: dict[str, Any], line: dict[str, Any]) -> None:
    when = line["message"].get("timestamp")
    if line["category"] != "taskotron" or when is None:
        return
    for seconds in (1, 5, 60):
        bucket = tables[f"package_{seconds}s"].get(str(int(when // seconds * seconds)), {})
        for package in line["computed"]["packages"] or []:
            bucket[package] -= 1
            if not bucket[package]:
                del bucket[package]


def assert_as_expected(engine: Engine, expected: Cells, capsys: Any) -> None:
    """Compare whole tables, and print how many cells were compared."""
    found = tables_in(engine)
    for table, cells in expected.items():
        assert found[table] == cells, f"{table} differs"
    with capsys.disabled():
        print(f"\n{sum(map(len, expected.values()))} cells of {len(expected)} tables compared, 0 differ")


def expected_tables(oracle: dict[str, Any]) -> Cells:
    """Return what the tables must hold by the oracle's answer."""
    return {table: _expected(oracle, *source) for table, source in TABLES.items()}


def _expected(oracle: dict[str, Any], name: str, key: str | None) -> dict[Any, Any]:
    if name == "releng_latest":
        return {
            (row["category"], row["category_constraint"]): (round(row["timestamp"], 6), row["message"])
            for row in oracle[name].values()
        }
    buckets = oracle["tables"].get(name) or _summed(oracle, name)
    if key is None:
        return {int(start): count for start, count in buckets.items()}
    return {(int(start), key): count for start, counts in buckets.items() for key, count in counts.items()}


def _summed(oracle: dict[str, Any], name: str) -> dict[str, Any]:
    """Return windows that the oracle does not know, as the sums of minutes."""
    kind, _, length = name.rpartition("_")
    seconds = int(length.removesuffix("s"))
    found: dict[str, Any] = {}
    for start, cell in oracle["tables"].get(f"{kind}_60s", {}).items():
        window = str(int(start) // seconds * seconds)
        if isinstance(cell, dict):
            found[window] = dict(Counter(found.get(window, {})) + Counter(cell))
        else:
            found[window] = found.get(window, 0) + cell
    return found


def tables_in(engine: Engine) -> Cells:
    """Return what the tables hold; nothing for those that are not there."""
    there = inspect(engine).get_table_names()
    with engine.connect() as connection:
        return {
            table: _found(connection, table, key) if table in there else {}
            for table, (_, key) in TABLES.items()
        }


def _found(connection: Any, table: str, key: str | None) -> dict[Any, Any]:
    start = "extract(epoch FROM timestamp)"
    if table == "data_releng_dashboard":
        rows = connection.execute(
            text(f"SELECT category, category_constraint, {start}, message FROM {table}")
        )
        return {(row[0], row[1]): (float(row[2]), row[3]) for row in rows}
    if key is None:
        rows = connection.execute(text(f"SELECT {start}, volume FROM {table}"))
        return {int(row[0]): row[1] for row in rows}
    rows = connection.execute(text(f"SELECT {start}, {key}, volume FROM {table}"))
    return {(int(row[0]), row[1]): row[2] for row in rows}
