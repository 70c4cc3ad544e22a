"""What every table of statscache and of its plugins is declared on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, MetaData, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase


class Instant(TypeDecorator[datetime]):
    """A `timestamptz`. A naive datetime is taken for local time, as statscache 0.0.4's plugins store it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What every table of statscache and of its plugins is declared on.

    ``Mapped[datetime]`` is a column of the type `timestamptz`, ``Mapped[int]`` of `bigint`, ``Mapped[str]`` of `text`
    and ``Mapped[dict[str, Any]]`` of `jsonb`. A naive datetime that is written is taken for local time; what is read
    is aware and in UTC.
    """

    metadata = MetaData()
    type_annotation_map = {datetime: Instant, str: Text, int: BigInteger, dict[str, Any]: JSONB}
