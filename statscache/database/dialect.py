"""PostgreSQL's SQL, for text that is made without a connection."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql import dialect

#: Doubles no % in what it writes.
PLAIN = dialect(paramstyle="named")  # type: ignore[no-untyped-call]  # it has no types
#: The longest name that PostgreSQL gives to anything, in bytes.
LONGEST_NAME = 63
