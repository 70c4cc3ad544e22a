"""Sessions are borrowed: what a transaction sets ends with it, and it relies on nothing that an earlier one has set.

Behind a pooler such as PgBouncer in transaction mode each transaction may be in another session of the server, which
others use as well. So nothing is set for a session, and no temporary table of anybody hides a real one.
"""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, Engine, event, text

from statscache.errors import StatscacheError

#: The first statement of each transaction, whatever the server's default is: a stricter level takes its snapshot before
#: a wait for a lock is over.
LEVEL = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; "
#: Puts temporary tables last where they are looked for, in which place they can hide no other.
TEMPORARY_LAST = (
    "SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), 'pg_temp'), "
    "true)"
)
#: Where a connection keeps what its transaction began with.
BEGUN = "statscache_begun"
#: So many times a second connection is looked at, whether it is given the session of an idle first one.
LOOKS = 20
SHARED = (
    "the database is reached through a pooler that gives each transaction another session, such as PgBouncer with "
    "pool_mode = transaction, and to count again takes one of its own: name the server itself, or a pooler in session "
    "mode, in STATSCACHE_SQLALCHEMY_URI; nothing was changed"
)


def in_transaction(settings: Mapping[str, str], temporary_last: bool = True) -> str:
    """Return the statements that set something until the end of the transaction.

    :param temporary_last: whether temporary tables can hide no others
    """
    each = "; ".join(f"SET LOCAL {name} = '{value}'" for name, value in settings.items())
    return f"{each}; {TEMPORARY_LAST}" if temporary_last else each


def set_up_transactions(
    engine: Engine, settings: Mapping[str, str], temporary_last: bool, first: str = LEVEL
) -> None:
    """Let each transaction of an engine begin with settings of its own.

    :param temporary_last: whether temporary tables can hide no others
    :param first: what else it begins with
    """

    each = in_transaction(settings, temporary_last)

    @event.listens_for(engine, "begin")
    def set_up(connection: Connection) -> None:
        connection.exec_driver_sql(first + each)
        connection.info[BEGUN] = each


def set_up_again(connection: Connection, undo: str) -> None:
    """Set again what the transaction of a connection began with.

    :param undo: the statements that undo what somebody else has set meanwhile
    """
    connection.exec_driver_sql(undo + connection.info[BEGUN])


def check_own_session(own: Engine, others: Engine) -> None:
    """Check that the one connection of an engine has a session of the server to itself.

    PgBouncer tells a client at its login a process that is none of the server's. Where it does, a second connection
    is looked at: in transaction mode it is given the session of the first one while that is idle.

    :param own: an engine with one connection
    :param others: an engine for the same database with other connections
    :raises StatscacheError: if it has not
    """
    with own.connect() as connection:
        told = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
        if told == _backend(connection):
            return
        with others.connect() as second:
            for _ in range(LOOKS):
                before, found, after = (_backend(each) for each in (connection, second, connection))
                if found == before or before != after:
                    raise StatscacheError(SHARED)


def _backend(connection: Connection) -> int:
    """Return the process of the server that a transaction of a connection is in, and end it."""
    try:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
    finally:
        connection.rollback()
