"""The tables of durations, and of the events from which they come."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index, SmallInteger, Text
from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.model import Base
from statscache.plugins.episodes import EVENT
from statscache.plugins.in_windows import WindowModel, model_in_windows
from statscache.plugins.keyed import key_columns

#: The columns of a table of durations that are no keys.
OWN = ("timestamp", "bucket", "volume", "seconds")


class EventModel(Base):
    """What began and ended lately, from which durations come. `duration_model` makes subclasses.

    It is kept for as long as a message can still change what comes of it.
    """

    __abstract__ = True

    id: Mapped[str] = mapped_column(primary_key=True, sort_order=-4, comment="what began or ended")
    timestamp: Mapped[datetime] = mapped_column(
        primary_key=True, sort_order=-3, comment="when, as a whole second"
    )
    ends: Mapped[bool] = mapped_column(primary_key=True, sort_order=-2, comment="whether it ended")
    msg_id: Mapped[str] = mapped_column(
        primary_key=True, sort_order=-1, comment="the message's id, as in the ledger"
    )


class DurationModel(WindowModel):
    """Durations per window, per key where a subclass has key columns, and per bucket of lengths.

    The columns are `timestamp`, the start of the window in which it ended (`timestamptz`), the keys (`text`), `bucket`
    (`smallint`), `volume`, how many (`bigint`), and `seconds`, their sum (`bigint`). The bucket is -1 for ends without
    a begin, whose seconds are 0; 0 for durations of no whole second; for any other 1 + ceil(ln(seconds) / 0.018).
    `duration_model` makes subclasses.
    """

    __abstract__ = True

    besides_keys: ClassVar[tuple[str, ...]] = ("timestamp", "bucket")

    bucket: Mapped[int] = mapped_column(
        SmallInteger,
        primary_key=True,
        sort_order=1,
        autoincrement=False,
        comment="-1 without a begin, 0 for 0 seconds, else 1 + ceil(ln(seconds) / 0.018)",
    )
    volume: Mapped[int] = mapped_column(sort_order=2, comment="how many ended")
    seconds: Mapped[int] = mapped_column(sort_order=3, comment="the sum of the durations in seconds")


def duration_model(table: str, comment: str, person: str | None = None, **keys: str) -> type[DurationModel]:
    """Make the model of a plugin of durations, and that of ``<table>_event``, from which they come.

    Its primary key is the start of the window of the end, the keys and the bucket.

    :param table: the table's name, of at most 57 bytes
    :param comment: the table's comment
    :param person: the key that names a person, by the account
    :param keys: a comment for each key column, by the column's name, in the order in which `DurationPlugin.began` and
        `DurationPlugin.ended` take the keys
    :return: a mapped class, for the `model` of one plugin
    :raises ValueError: if `person` is none of the keys, or a key has the name of another column
    """
    for key in {*OWN, *EVENT} & keys.keys():
        raise ValueError(
            f"{key} is a column of every table of durations: give that key of {table} another name"
        )
    model = model_in_windows(DurationModel, table, comment, person, keys)
    model.beside = (_event_model(f"{table}_event", table, model),)
    return model


def _event_model(table: str, of: str, model: type[DurationModel]) -> type[EventModel]:
    columns = {
        name: mapped_column(Text, nullable=True, comment=own.comment, info=own.info)
        for name, own in model.__table__.columns.items()
        if name in key_columns(model)
    }
    about = {"comment": f"What began and ended lately, from which the durations in {of} come"}
    arguments = Index(f"{table}_timestamp", "timestamp"), about
    attributes = {"__tablename__": table, "__table_args__": arguments, **columns}
    return type(f"EventModel_{table}", (EventModel,), attributes)
