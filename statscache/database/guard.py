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
#: A statement that sets something for the session, or may; beside those that call `set_config`.
SETTING = re.compile(
    r"\s*(set\b(?!\s+(local|constraints|transaction)\b)|reset\b|discard\b|do\b|call\b)", re.IGNORECASE
)
#: Lets the constraints that are deferred be checked now, and be deferred from now on as before.
CHECK = "SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED; "
#: Undoes what was set for the session. What a pooler has set there goes with it, so it is for those who have done so.
RESET = "RESET SESSION AUTHORIZATION; RESET ROLE; RESET ALL; "
COMMENT = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)


@contextmanager
def guarded(connection: Connection) -> Iterator[None]:
    """Let nobody commit or roll back the connection's transaction meanwhile; savepoints are as usual."""
    info = connection.info  # out of reach if the connection is lost
    info["guarded"], info["has_set"] = True, False
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
    info = connection.info
    if info.get("guarded"):
        bare = COMMENT.sub(" ", statement)
        if ENDING.search(bare):
            _check_guard(connection)
        info["has_set"] = info["has_set"] or _may_set(bare)


def _may_set(statements: str) -> bool:
    """Return whether statements may set something that outlives the transaction."""
    return "set_config" in statements.lower() or any(map(SETTING.match, statements.split(";")))


def settle(connection: Connection) -> None:
    """Check now what a plugin has deferred to the commit, and undo what it has set for those after it.

    :raises DBAPIError: if a deferred constraint is violated
    """
    set_up_again(connection, CHECK + (RESET if connection.info["has_set"] else ""))
