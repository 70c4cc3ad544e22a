"""The tables that plugins write, on one declarative base."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, MetaData, Text, TypeDecorator
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Instant(TypeDecorator[datetime]):
    """A `timestamptz`. A naive datetime is taken for local time, as statscache 0.0.4's plugins store it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)


class Base(DeclarativeBase):
    """What every table of statscache and of its plugins is declared on."""

    metadata = MetaData()
    type_annotation_map = {datetime: Instant, str: Text, int: BigInteger, dict[str, Any]: JSONB}


class BaseModel(Base):
    """A row that has an `id` and a `timestamp`: the base for tables of a shape of their own."""

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-2, comment="a number for this row")
    timestamp: Mapped[datetime] = mapped_column(index=True, sort_order=-1, comment="the row's instant")


class ScalarModel(BaseModel):
    """A number at an instant."""

    __abstract__ = True

    scalar: Mapped[int] = mapped_column(comment="the figure")


class CategorizedModel(BaseModel):
    """A number for a category at an instant."""

    __abstract__ = True

    category: Mapped[str] = mapped_column(comment="what the figure is for")
    scalar: Mapped[int] = mapped_column(comment="the figure")


class CategorizedLogModel(BaseModel):
    """A text in a category at an instant."""

    __abstract__ = True

    category: Mapped[str] = mapped_column(index=True, comment="what the message is about")
    message: Mapped[str] = mapped_column(comment="the message, often JSON as text")


class ConstrainedCategorizedLogModel(CategorizedLogModel):
    """A text in a category at an instant, with a second key."""

    __abstract__ = True

    category_constraint: Mapped[str | None] = mapped_column(comment="what tells rows of one category apart")
