"""Tables that nobody but their owner may read unless somebody says so of them themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table, event, text

#: Who may do anything with a table but its owner, as SQL names them.
OTHERS = text(
    "SELECT DISTINCT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END "
    "FROM pg_class CROSS JOIN aclexplode(relacl) WHERE oid = to_regclass(:name) AND grantee <> relowner"
)


def keep_private(table: Table) -> None:
    """Let the creation of a table take away what default privileges give of it.

    They are there for figures: a role that may read these would else read a table that an upgrade makes.
    """
    event.listen(table, "after_create", _revoke)


def _revoke(table: Table, connection: Connection, **_: Any) -> None:
    name = connection.dialect.identifier_preparer.format_table(table)
    if others := list(connection.scalars(OTHERS, {"name": name})):
        connection.exec_driver_sql(f"REVOKE ALL ON {name} FROM {', '.join(others)}")
