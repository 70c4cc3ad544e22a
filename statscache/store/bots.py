"""Which accounts are bots: the patterns of their names, which the last daemon that started has set."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, text
from sqlalchemy.orm import Mapped, mapped_column

from statscache.plugins import Base

#: What changes with the list, and with nothing else, whoever changes it.
VERSION = text(
    "SELECT md5(coalesce(string_agg(pattern, E'\\n' ORDER BY pattern COLLATE \"C\"), '')) FROM statscache_bot"
)


class BotRow(Base):
    """A pattern of names of bots."""

    __tablename__ = "statscache_bot"
    __table_args__ = (
        {"comment": "Whose deeds are no person's: what statscache.bots was for the last daemon that started"},
    )

    pattern: Mapped[str] = mapped_column(
        primary_key=True,
        comment="names of accounts, as they are spelt: * is any text, ? one character, all else itself",
    )
    changed: Mapped[datetime] = mapped_column(
        server_default=func.clock_timestamp(), comment="when the list was last changed"
    )


def bots(connection: Connection) -> frozenset[str]:
    """Return the patterns."""
    return frozenset(connection.scalars(select(BotRow.pattern)))


def replace_bots(connection: Connection, patterns: Collection[str]) -> None:
    """Let these be the patterns, all changed at one instant, since what is gone leaves no row behind."""
    connection.execute(delete(BotRow))
    if patterns:
        changed = connection.scalar(select(func.clock_timestamp()))
        connection.execute(
            insert(BotRow), [{"pattern": each, "changed": changed} for each in sorted(patterns)]
        )


def version_of_bots(connection: Connection) -> str:
    """Return a short text for the list: whoever keeps answers about people keeps them under it."""
    return str(connection.scalar(VERSION))
