"""The canonical ids of messages: a message that a bridge passes on to another bus has one id on both."""

from __future__ import annotations

import re

_HEX = "[0-9A-Fa-f]"
#: What fedmsg makes of an id: the year, and a UUID. Read alike by Python and by PostgreSQL.
UUID_WITH_YEAR = f"[0-9]{{4}}-{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}"
#: How long such an id is, and the year with its dash.
LENGTH, YEAR_LENGTH = 41, 5
_has_year = re.compile(UUID_WITH_YEAR).fullmatch


def canonical_id(given: str) -> str:
    """Return an id without the year that fedmsg puts before a UUID, and any other id as it is.

    On AMQP the id is the UUID alone. A bridge adds or keeps the year, so only the UUID is the same in all copies.
    """
    if len(given) == LENGTH and given[4] == "-" and _has_year(given):
        return given[YEAR_LENGTH:]
    return given
