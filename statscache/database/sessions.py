"""Sessions are borrowed: what a transaction sets ends with it, and it relies on nothing that an earlier one has set.

Behind a pooler such as PgBouncer in transaction mode each transaction may be in another session of the server, which
others use as well. So nothing is set for a session, and no temporary table of anybody hides a real one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, event, text

from statscache.errors import StatscacheError

#: The first statement of each transaction, whatever the server's default is: a stricter level takes its snapshot before
#: a wait for a lock is over. SET TRANSACTION would leave a trace of itself in the session.
LEVEL = "SET LOCAL transaction_isolation = 'read committed'; "
#: What lets instants and intervals mean the same in every session.
FORMS = {"TimeZone": "UTC", "DateStyle": "ISO", "IntervalStyle": "postgres"}
READ_ONLY = "SET LOCAL transaction_read_only = on; "
#: The search path without the schema of temporary tables, wherever it is in it.
OTHERS = r"ltrim(regexp_replace(current_setting('search_path'), '(^|,)\s*\"?pg_temp\"?\s*(?=,|$)', '', 'gi'), ', ')"
#: Puts temporary tables last where they are looked for, in which place they can hide no other. Where there is no other
#: schema the path stays as it is, or all tables that are created would be temporary ones.
TEMPORARY_LAST = (
    "SELECT set_config('search_path', CASE WHEN current_schema() IS NULL THEN current_setting('search_path') "
    f"ELSE concat_ws(', ', nullif({OTHERS}, ''), 'pg_temp') END, true)"
)
#: Puts them first, in which place they hide all others of the same names.
TEMPORARY_FIRST = f"SELECT set_config('search_path', concat_ws(', ', 'pg_temp', nullif({OTHERS}, '')), true)"
SET_PATH = text("SELECT set_config('search_path', :path, true)")
#: A search path whose names can stand in a statement, which is several times as fast as SET_PATH.
PLAIN = re.compile(r'("\$user"|[a-z_][a-z0-9_]*)(, ("\$user"|[a-z_][a-z0-9_]*))*')
#: The execution option of a connection that the driver commits by itself, so that a transaction needs a BEGIN of ours:
#: an `Opening`.
EXPLICIT = "statscache_explicit"
#: Where a connection keeps what its transaction began with: the settings, and the search path.
BEGUN = "statscache_begun"
#: Where it keeps the row that answers the question of its `Opening`.
ANSWER = "statscache_answer"
#: So many times a second connection is looked at, whether it is given the session of an idle first one.
LOOKS = 20
SHARED = (
    "the database is reached through a pooler that gives each transaction another session, such as PgBouncer with "
    "pool_mode = transaction, and to count again takes one of its own: name the server itself, or a pooler in session "
    "mode, in STATSCACHE_SQLALCHEMY_URI; nothing was changed"
)


@dataclass(frozen=True)
class Opening:
    """What is sent with a BEGIN of ours, so that all of it takes one way to the server and back.

    :param first: a statement, sent when the time-outs are set
    :param question: a SELECT of one row, sent last; a percent sign in it is doubled
    """

    first: str
    question: str = "SELECT"


def in_transaction(settings: Mapping[str, str], temporary_last: bool = True) -> str:
    """Return the statements that set something until the end of the transaction.

    :param temporary_last: whether temporary tables can hide no others; else they hide all others
    """
    return "; ".join([*_assigned(settings), _path(temporary_last)])


def _path(temporary_last: bool) -> str:
    return TEMPORARY_LAST if temporary_last else TEMPORARY_FIRST


def _assigned(settings: Mapping[str, str]) -> list[str]:
    return [f"SET LOCAL {name} = '{value}'" for name, value in settings.items()]


def set_up_transactions(
    engine: Engine, settings: Mapping[str, str], temporary_last: bool, first: str = LEVEL
) -> None:
    """Let each transaction of an engine begin with settings of its own.

    :param temporary_last: whether temporary tables can hide no others; else they hide all others
    :param first: what else it begins with
    """
    settle, find_path = first + "; ".join(_assigned(settings)), _path(temporary_last)
    again = "; ".join(["SET LOCAL role TO DEFAULT", *_assigned(settings)])

    @event.listens_for(engine, "begin")
    def set_up(connection: Connection) -> None:
        opening, beginning = connection.get_execution_options().get(EXPLICIT), [settle, find_path]
        if opening is not None:
            asked = f"SELECT current_setting('search_path'), its.* FROM ({opening.question}) AS its"
            beginning = ["BEGIN", settle, opening.first, find_path, asked]
        path, *connection.info[ANSWER] = connection.exec_driver_sql("; ".join(beginning)).one()
        connection.info[BEGUN] = again, path


def set_up_again(connection: Connection, undo: str) -> None:
    """Set again what the transaction of a connection began with, the session's own role included.

    :param undo: statements that undo what else somebody has set meanwhile, each with a semicolon
    """
    again, path = connection.info[BEGUN]
    if PLAIN.fullmatch(path):
        names = ", ".join(f'"{name}"' for name in path.replace('"', "").split(", "))
        connection.exec_driver_sql(f"{undo}{again}; SET LOCAL search_path = {names}")
    else:
        connection.exec_driver_sql(undo + again)
        connection.execute(SET_PATH, {"path": path})


def check_own_session(own: Engine, others: Engine) -> None:
    """Check that the one connection of an engine has a session of the server to itself.

    :param own: an engine with one connection
    :param others: an engine for the same database with other connections
    :raises StatscacheError: if it has not
    """
    if shares_session(own, others):
        raise StatscacheError(SHARED)


def shares_session(own: Engine, others: Engine) -> bool:
    """Return whether the one connection of an engine is seen to share its session of the server with others.

    PgBouncer tells a client at its login a process that is none of the server's. Where it does, a second connection
    is looked at: in transaction mode it is given the session of the first one while that is idle.

    :param own: an engine with one connection
    :param others: an engine for the same database with other connections
    """
    with own.connect() as connection:
        told = connection.connection.dbapi_connection.info.backend_pid  # type: ignore[union-attr]
        if told == _backend(connection):
            return False
        with others.connect() as second:
            for _ in range(LOOKS):
                before, found, after = (_backend(each) for each in (connection, second, connection))
                if found == before or before != after:
                    return True
    return False


def _backend(connection: Connection) -> int:
    """Return the process of the server that a transaction of a connection is in, and end it."""
    try:
        return int(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
    finally:
        connection.rollback()
