"""What keeps a plugin from ending or bending the transaction that it shares."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Engine, event

from statscache.database.sessions import set_up_again

#: A statement that ends a transaction, and comments, behind which one can hide.
ENDING = re.compile(
    r"^\s*end\b|(^|;)\s*(commit|abort|rollback(?!\s+(work\s+|transaction\s+)?to\b)|prepare\s+transaction)\b",
    re.IGNORECASE,
)
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


@contextmanager
def guarded(connection: Connection) -> Iterator[None]:
    """Let nobody commit or roll back the connection's transaction meanwhile; savepoints are as usual."""
    info = connection.info  # out of reach if the connection is lost
    info["guarded"] = True
    try:
        yield
    finally:
        info["guarded"] = False


def install_guard(engine: Engine) -> None:
    """Let `guarded` take effect on each connection of an engine."""
    event.listen(engine, "commit", _check_guard)
    event.listen(engine, "rollback", _check_guard)
    event.listen(engine, "before_cursor_execute", _check_statement)


def _check_guard(connection: Connection) -> None:
    if not connection.invalidated and connection.info.get("guarded"):
        raise RuntimeError("a plugin must not end the transaction of the flush: it may use only its session")


def _check_statement(connection: Connection, cursor: Any, statement: str, *args: Any) -> None:
    if connection.info.get("guarded") and ENDING.search(COMMENT.sub(" ", statement)):
        _check_guard(connection)


def settle(connection: Connection) -> None:
    """Check now what a plugin has deferred to the commit, and undo what it has set for those after it.

    :raises DBAPIError: if a deferred constraint is violated
    """
    undo = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; RESET ROLE; RESET ALL; "
    set_up_again(connection, undo)
