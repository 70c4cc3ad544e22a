"""What an error of the database means."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from statscache.errors import text_of

#: The SQLSTATE of a table that is not there.
NO_TABLE = "42P01"
#: The SQLSTATE of a server or a session that only reads, as a standby does, and of a transaction that took too long.
ONLY_READS, TOO_LONG = "25006", ("25P03", "25P04")
#: The SQLSTATE of what a user has no right to do.
DENIED = "42501"
#: The SQLSTATE of a statement that was cancelled, as for taking longer than it may.
CANCELLED = "57014"


def first_line(error: BaseException) -> str:
    """Return what went wrong in one line, as the driver says it."""
    original = error.orig if isinstance(error, StatementError) and error.orig else error
    lines = text_of(original).strip().splitlines()
    return lines[0] if lines else type(original).__name__


def may_be_the_statements(error: BaseException) -> bool:
    """Return whether a statement can make the database have this trouble again and again.

    It can take longer than it may (57014), meet a damaged index (class XX), ask in the wrong state (class 55) or
    want more than its limits allow (53400).
    """
    state = state_of(error)
    return state is not None and (state in (CANCELLED, "53400") or state[:2] in ("55", "XX"))


def is_deadlock(error: BaseException) -> bool:
    """Return whether a transaction was ended so that others could go on, and may well succeed the next time."""
    return (state_of(error) or "").startswith("40")


def is_the_statements(error: BaseException) -> bool:
    """Return whether an error is that of a statement, or can be, and not that of a lock which others held."""
    own = not is_database_trouble(error) or may_be_the_statements(error)
    return own and not is_locked_out(error)


def is_locked_out(error: BaseException) -> bool:
    """Return whether an error is that of a lock which others held for too long."""
    return state_of(error) == "55P03"


def is_database_trouble(error: BaseException) -> bool:
    """Return whether an error is the database's, not the fault of the statement that met it.

    True for a connection that is gone, for a server that only reads, and for the SQLSTATE classes 08 (connection),
    40 (deadlock and the like), 53 (resources), 55 (locks), 57 (shutdown, time-out), 58 (system) and XX (internal) of
    PostgreSQL's appendix A.
    """
    if not isinstance(error, DBAPIError):
        return False
    state = state_of(error)
    if error.connection_invalidated or (state is None and isinstance(error, OperationalError)):
        return True
    if state in (ONLY_READS, *TOO_LONG):
        return True
    return state is not None and state[:2] in ("08", "40", "53", "55", "57", "58", "XX")


def is_writers_own(error: BaseException) -> bool:
    """Return whether an error is the fault of who writes, in a transaction in which we have written before.

    We may have made it one that only reads, or else the statement itself has.
    """
    return state_of(error) == ONLY_READS


def is_elsewhere(error: BaseException, connection: Connection) -> bool:
    """Return whether an error that no server has sent is about another connection than this, which is well."""
    if state_of(error) is not None or connection.invalidated:
        return False
    own: Any = connection.connection.dbapi_connection
    return not own.closed


def state_of(error: BaseException) -> str | None:
    """Return the SQLSTATE of an error, None if the server has not sent one."""
    return getattr(error.orig, "pgcode", None) if isinstance(error, DBAPIError) else None
