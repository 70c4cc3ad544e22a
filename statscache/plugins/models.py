"""The tables that plugins write, on one declarative base."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from statscache.database.model import Base, Instant

__all__ = [
    "Base",
    "BaseModel",
    "CategorizedLogModel",
    "CategorizedModel",
    "ConstrainedCategorizedLogModel",
    "Instant",
    "ScalarModel",
]


class BaseModel(Base):
    """A row that has an `id` and a `timestamp`, as the models of statscache 0.0.4 have.

    An `id` does not keep two rows from being about the same: where rows are updated, declare a model on `Base` whose
    primary key says what a row is about.
    """

    __abstract__ = True

    id: Mapped[int] = mapped_column(primary_key=True, sort_order=-2, comment="a number for this row")
    timestamp: Mapped[datetime] = mapped_column(index=True, sort_order=-1, comment="the row's instant")


class ScalarModel(BaseModel):
    """A number, `scalar`, at an instant."""

    __abstract__ = True

    scalar: Mapped[int] = mapped_column(comment="the figure")


class CategorizedModel(BaseModel):
    """A number, `scalar`, for a category at an instant."""

    __abstract__ = True

    category: Mapped[str] = mapped_column(comment="what the figure is for")
    scalar: Mapped[int] = mapped_column(comment="the figure")


class CategorizedLogModel(BaseModel):
    """A text, `message`, in a category at an instant."""

    __abstract__ = True

    category: Mapped[str] = mapped_column(index=True, comment="what the message is about")
    message: Mapped[str] = mapped_column(comment="the message, often JSON as text")


class ConstrainedCategorizedLogModel(CategorizedLogModel):
    """A text, `message`, in a category at an instant, with a second key, `category_constraint`, which may be null."""

    __abstract__ = True

    category_constraint: Mapped[str | None] = mapped_column(comment="what tells rows of one category apart")
