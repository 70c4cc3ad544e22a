"""What is looked at when a scenario with a pooler is over: what has outlived the transactions of the hubs."""

from __future__ import annotations

from contextlib import ExitStack

from sqlalchemy import NullPool, create_engine, text

#: How many sessions of the server the hubs share.
SESSIONS = 6
#: What is left in a session. PgBouncer itself sets a few things there as each client has them.
LEFT = text("""
SELECT pg_backend_pid(), (SELECT string_agg(name || ' is ' || setting, ', ') FROM pg_settings
    WHERE source = 'session' AND setting <> reset_val AND name NOT IN
        ('application_name', 'client_encoding', 'DateStyle', 'TimeZone', 'standard_conforming_strings')),
    (SELECT string_agg(relname, ', ') FROM pg_class WHERE relnamespace = pg_my_temp_schema()),
    (SELECT string_agg(objid::text, ', ') FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'),
    (SELECT string_agg(channel, ', ') FROM pg_listening_channels() AS channel)
""")


def left_in_sessions(url: str) -> list[str]:
    """Return what settings, temporary relations, advisory locks and channels the pooler's sessions have left.

    :param url: of the database through the pooler
    """
    engine = create_engine(url, poolclass=NullPool)
    seen = {}
    with ExitStack() as held:
        for _ in range(SESSIONS):
            row = held.enter_context(engine.begin()).execute(LEFT).one()
            seen[row[0]] = [value for value in row[1:] if value]
    return [f"left in the pooler's session {pid}: {'; '.join(left)}" for pid, left in seen.items() if left]
