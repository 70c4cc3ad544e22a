"""How far each spool is committed, written in the transaction that commits it."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, delete, extract, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.lock import counting
from statscache.plugins import Base


class DatabaseRow(Base):
    """Which database this is."""

    __tablename__ = "statscache_database"
    __table_args__ = (
        {"comment": "One row: the id of this database, so that each spool is written to its own database"},
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="a UUID")


class SpoolRow(Base):
    """How far a daemon's spool is committed."""

    __tablename__ = "statscache_spool"
    __table_args__ = ({"comment": "How far the spool of each daemon is committed"},)

    id: Mapped[str] = mapped_column(primary_key=True, comment="the name of the spool's directory")
    position: Mapped[int] = mapped_column(comment="how many bytes of it are committed")
    updated: Mapped[datetime] = mapped_column(comment="when that was written")
    lost: Mapped[int] = mapped_column(
        server_default="0", comment="how many messages found no room in it and are in statscache_gap"
    )
    version: Mapped[str | None] = mapped_column(
        comment="the version of the daemon whose spool it is; null for one of before 1.0.0"
    )
    revision: Mapped[int | None] = mapped_column(
        comment="the number of the newest revision of these tables that this version knows"
    )


def database_id(engine: Engine) -> str:
    """Return what tells this database from all others."""
    with counting(engine, patient=True) as connection:
        found: str | None = connection.scalar(select(DatabaseRow.id))
        if found is None:
            found = str(uuid.uuid4())
            connection.execute(insert(DatabaseRow).values(id=found))
    return found


def store_position(connection: Connection, spool: str, position: int) -> None:
    """Write how far a spool is committed."""
    row = {"position": position, "updated": func.now()}
    statement = insert(SpoolRow).values(id=spool, **row)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=row))


@dataclass(frozen=True)
class Position:
    """How far a spool is committed.

    :param position: how many bytes of it
    :param updated: when the transaction began that committed it, in seconds since 1970 on the database's clock
    :param age: how many seconds ago that was
    """

    position: int
    updated: float
    age: float


def positions(engine: Engine, spools: Collection[str]) -> dict[str, Position]:
    """Return how far each of the spools is committed, without those of which nothing is."""
    updated = extract("epoch", SpoolRow.updated)
    age = extract("epoch", func.now() - SpoolRow.updated)
    query = select(SpoolRow.id, SpoolRow.position, updated, age).where(SpoolRow.id.in_(spools))
    with counting(engine) as connection:  # after whatever their daemons' last transactions came to
        rows = connection.execute(query).all()
    return {id: Position(position, float(updated), float(age)) for id, position, updated, age in rows}


def forget_spools(engine: Engine, spools: Collection[str]) -> None:
    """Delete the rows of spools that are no more."""
    with engine.begin() as connection:
        connection.execute(delete(SpoolRow).where(SpoolRow.id.in_(spools)))
