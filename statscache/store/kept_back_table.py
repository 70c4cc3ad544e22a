"""The table of the copies that are kept back."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer
from sqlalchemy.orm import Mapped, mapped_column

from statscache.plugins import Base


class KeptRow(Base):
    """A bridge's copy of a message whose original has not come yet."""

    __tablename__ = "statscache_kept_back"
    __table_args__ = (
        Index("statscache_kept_back_timestamp", "timestamp"),
        Index("statscache_kept_back_until", "until"),
        {"comment": "Copies that bridges have made, each kept back for a while until the original comes"},
    )

    msg_id: Mapped[str] = mapped_column(primary_key=True, comment="the message's canonical id")
    bus: Mapped[str] = mapped_column(primary_key=True, comment="the bus that its original is on")
    # No foreign key, as in the ledger.
    plugin_set: Mapped[int] = mapped_column(
        Integer, primary_key=True, comment="the plugins that are to count it: an id of statscache_plugin_set"
    )
    timestamp: Mapped[datetime] = mapped_column(comment="the copy's time, cut to seconds")
    until: Mapped[datetime] = mapped_column(comment="when it counts if the original has not come by then")
    body: Mapped[str] = mapped_column(comment="the copy as JSON in ASCII, as in statscache_quarantine_body")
