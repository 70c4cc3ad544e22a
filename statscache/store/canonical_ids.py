"""Canonical ids in SQL, for rows of an earlier version, which stored ids as they came.

All texts are about a column `msg_id`.
"""

from __future__ import annotations

from statscache.messages.ids import LENGTH, UUID_WITH_YEAR, YEAR_LENGTH

_FORM = f"'^{UUID_WITH_YEAR}$'"
#: Whether an id is not canonical, and the opposite; the length is looked at first since that costs next to nothing.
HAS_YEAR = f"(length(msg_id) = {LENGTH} AND msg_id ~ {_FORM})"
IS_CANONICAL = f"length(msg_id) <> {LENGTH} OR msg_id !~ {_FORM}"
#: An id without the year.
WITHOUT_YEAR = f"substr(msg_id, {YEAR_LENGTH + 1})"
#: The canonical id.
CANONICAL = f"CASE WHEN {HAS_YEAR} THEN {WITHOUT_YEAR} ELSE msg_id END"
#: What the ids of copies have in common, as some others may: it is found faster than the canonical id.
TAIL = f'right(msg_id, {LENGTH - YEAR_LENGTH}) COLLATE "C"'
