"""Messages that were lost. What takes a connection is called with one that holds the lock, as in coverage.py."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime

from sqlalchemy import Connection, Identity, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from statscache.plugins import Base
from statscache.spool.loss import Loss
from statscache.store.coverage import uncover
from statscache.store.positions import SpoolRow


class GapRow(Base):
    """Messages that were lost."""

    __tablename__ = "statscache_gap"
    __table_args__ = ({"comment": "Messages that came over the bus and were lost: an archive may have them"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True, comment="a number for this row")
    first: Mapped[datetime] = mapped_column(comment="the smallest of the messages' timestamps")
    last: Mapped[datetime] = mapped_column(comment="the greatest")
    messages: Mapped[int] = mapped_column(comment="how many, at least")
    reason: Mapped[str] = mapped_column(comment="why they were lost")
    noted: Mapped[datetime] = mapped_column(comment="when this was written")


def record_loss(connection: Connection, plugins: Collection[str], spool: str, loss: Loss) -> None:
    """Write what could not be spooled: its time is not covered any more.

    What a commit has recorded whose answer never came, or before the daemon could note it, is not recorded again.
    """
    recorded = connection.scalar(select(SpoolRow.lost).where(SpoolRow.id == spool)) or 0
    total = loss.before + loss.count
    if total <= recorded:
        return
    record_gap(connection, plugins, replace(loss, count=total - recorded))
    connection.execute(update(SpoolRow).where(SpoolRow.id == spool).values(lost=total))


def record_gap(connection: Connection, plugins: Collection[str], loss: Loss) -> None:
    """Write that messages are lost: their time is not covered any more."""
    row = {
        "first": datetime.fromtimestamp(loss.first, UTC),
        "last": datetime.fromtimestamp(loss.last, UTC),
        "messages": loss.count,
        "reason": loss.reason,
        "noted": datetime.now(UTC),
    }
    connection.execute(insert(GapRow).values(**row))
    uncover(connection, plugins, loss.span)
