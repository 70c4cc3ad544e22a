"""The tables of the quarantine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import (
    ForeignKey,
    Index,
    Integer,
)
from sqlalchemy.orm import Mapped, mapped_column

from statscache.plugins import Base


class Body(Base):
    """A message that is in the quarantine for one plugin or more."""

    __tablename__ = "statscache_quarantine_body"
    __table_args__ = ({"comment": "The messages in the quarantine, each once"},)

    msg_id: Mapped[str] = mapped_column(primary_key=True, comment="the message's id, as in the ledger")
    body: Mapped[str] = mapped_column(
        comment="the message as JSON in ASCII; text, since jsonb takes neither NUL nor lone surrogates"
    )


class QuarantineRow(Base):
    """A message that one plugin could not count."""

    __tablename__ = "statscache_quarantine"
    __table_args__ = (
        Index("statscache_quarantine_next_attempt", "next_attempt"),
        Index("statscache_quarantine_msg_id", "msg_id"),
        {"comment": "Messages that a plugin could not count; they count for all other plugins"},
    )

    plugin: Mapped[str] = mapped_column(primary_key=True, comment="the plugin's identifier")
    msg_id: Mapped[str] = mapped_column(
        ForeignKey(Body.msg_id), primary_key=True, comment="the message's id, as in the ledger"
    )
    topic: Mapped[str] = mapped_column(comment="the message's topic")
    timestamp: Mapped[datetime] = mapped_column(comment="the message's time")
    error: Mapped[str] = mapped_column(comment="what was wrong when it was last tried")
    traceback: Mapped[str] = mapped_column(comment="where it went wrong; empty where that says nothing")
    first_failure: Mapped[datetime] = mapped_column(comment="when it was first tried")
    last_failure: Mapped[datetime] = mapped_column(comment="when it was last tried")
    attempts: Mapped[int] = mapped_column(Integer, comment="how often it was tried; 0 if only put off")
    next_attempt: Mapped[datetime | None] = mapped_column(
        comment="when it is tried again; null if only by hand"
    )
