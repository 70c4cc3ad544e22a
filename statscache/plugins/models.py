"""The tables that plugins write, on one declarative base."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.model import Base


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
