"""What is missing from the tables, and known to be."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, Identity, insert, select, update
from sqlalchemy.orm import Mapped, mapped_column

from statscache.plugins import Base
from statscache.progress import SpoolRow
from statscache.spool import Loss


class GapRow(Base):
    """Messages that were lost."""

    __tablename__ = "statscache_gap"
    __table_args__ = ({"comment": "Messages that came over the bus and were lost: no table has them"},)

    id: Mapped[int] = mapped_column(Identity(), primary_key=True, comment="a number for this row")
    first: Mapped[datetime] = mapped_column(comment="the smallest of the messages' timestamps")
    last: Mapped[datetime] = mapped_column(comment="the greatest")
    messages: Mapped[int] = mapped_column(comment="how many")
    reason: Mapped[str] = mapped_column(comment="why they were lost")
    noted: Mapped[datetime] = mapped_column(comment="when this was written")


def record_loss(connection: Connection, spool: str, loss: Loss) -> None:
    """Write that messages were lost since their spool had no room.

    What a commit has recorded whose answer never came, or before the daemon could note it, is not recorded again.
    """
    recorded = connection.scalar(select(SpoolRow.lost).where(SpoolRow.id == spool)) or 0
    total = loss.before + loss.count
    if total <= recorded:
        return
    row = {
        "first": datetime.fromtimestamp(loss.first, UTC),
        "last": datetime.fromtimestamp(loss.last, UTC),
        "messages": total - recorded,
        "reason": "the spool had no room",
        "noted": datetime.now(UTC),
    }
    connection.execute(insert(GapRow).values(**row))
    connection.execute(update(SpoolRow).where(SpoolRow.id == spool).values(lost=total))
