"""How long to wait for a database: not at all where it refuses us until somebody changes something.

The driver passes no SQLSTATE on for them, so they are known by the words of PostgreSQL, PgBouncer and libpq. In another
language than English they are not, and are waited for as everything else is.
"""

from __future__ import annotations

import logging
import re
import time
from dataclasses import dataclass

from sqlalchemy.exc import DBAPIError, OperationalError

from statscache.database.trouble import first_line
from statscache.errors import Unusable, text_of

log = logging.getLogger(__name__)

#: A wait of more than so many seconds is logged.
QUIET = 1.0
#: What a refusal says, and what to do about it.
REFUSALS: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(words), advice)
    for words, advice in (
        (
            "password authentication failed|no password supplied|SASL authentication failed|"
            "authentication failed for user",
            "correct the user and the password in the URL, or in the password file",
        ),
        (
            'role "[^"]*" (does not exist|is not permitted to log in)|no such user|'
            "local user with ID .* does not exist|no PostgreSQL user name specified",
            "name a role in the URL that may log in, or create it",
        ),
        ('database "[^"]*" does not exist|no such database', "create the database, or correct the URL"),
        ("cannot connect to invalid database", "drop that database and create it anew"),
        (
            "permission denied for database",
            "let its user connect, as with GRANT CONNECT ON DATABASE",
        ),
        (
            "no pg_hba.conf entry|pg_hba.conf rejects",
            "let this user in from this machine, in the server's pg_hba.conf",
        ),
        (
            "does not support SSL|SSL was required|certificate|sslmode|private key|SSL negotiation",
            "correct the SSL options of the URL, or the server's",
        ),
        (
            "unrecognized configuration parameter|permission denied to set parameter|invalid value for parameter|"
            r'parameter "[^"]*" cannot be|invalid (port number|integer value|channel_binding|target_session_attrs)|'
            "unsupported startup parameter|invalid command-line argument",
            "correct the options of the URL",
        ),
        (
            "expected authentication request from server|authentication method .* not supported|"
            "unsupported frontend protocol",
            "correct the URL: no PostgreSQL server that statscache knows answers there",
        ),
    )
)
#: How libpq begins to tell of each server, or address of a server, that it has tried.
ATTEMPT = re.compile(r"^(?=connection to server |could not translate )", re.MULTILINE)


@dataclass(frozen=True)
class Refusal:
    """A refusal that waiting does not mend: what it says, in one line, and what to do about it."""

    words: str
    advice: str


def refusal(error: BaseException) -> Refusal | None:
    """Return the refusal that an error is, None for trouble that may pass by itself.

    Where several servers were tried, waiting is in vain only if none of them lets us in.
    """
    said = text_of(getattr(error, "orig", None) or error)
    found = [_refusal_in(attempt) for attempt in ATTEMPT.split(said) if attempt.strip()]
    return found[0] if found and all(found) else None


def _refusal_in(attempt: str) -> Refusal | None:
    """Return what one server's answer is."""
    for words, advice in REFUSALS:
        if words.search(attempt):
            return Refusal(attempt.strip().splitlines()[0], advice)
    return None


class Wait:
    """A wait for a database that does not let us in.

    :param database: what to call it, with its URL but without passwords
    :param length: how long to wait at most, in seconds
    """

    def __init__(self, database: str, length: float) -> None:
        self._database = database
        self._length = length
        self._start = time.monotonic()
        self._logged = False

    def go_on(self, error: DBAPIError) -> None:
        """Return if it is to be tried again.

        :raises Unusable: if that is in vain, or the time is up; it says what to do
        """
        if found := refusal(error):
            raise Unusable(f"{self._database} refuses us ({found.words}): {found.advice}") from None
        waited = time.monotonic() - self._start
        if waited >= self._length or not isinstance(error, OperationalError):
            raise Unusable(
                f"{self._database} cannot be reached ({first_line(error)}): start it, or correct the URL"
            ) from None
        if waited >= QUIET and not self._logged:
            self._logged = True
            log.warning(
                "%s cannot be reached (%s): waiting for it, %.0f s at most",
                self._database,
                first_line(error),
                self._length,
            )
