"""Tables whose rows have keys that a plugin gives, one of which may name a person."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from sqlalchemy import Text
from sqlalchemy.orm import MappedColumn, mapped_column

from statscache.database.model import Base
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.base import BasePlugin
from statscache.plugins.schedule import Schedule

#: In the `info` of a column that names a person.
PERSON = "person"


class KeyedModel(Base):
    """A row for each combination of keys, and of what else is in its primary key."""

    __abstract__ = True

    #: The columns of the primary key that are none of the keys.
    besides_keys: ClassVar[tuple[str, ...]] = ()


def columns_of_keys(table: str, person: str | None, keys: Mapping[str, str]) -> dict[str, MappedColumn[str]]:
    """Return the key columns of a model.

    :param person: the key that names a person, None for none
    :param keys: a comment for each key column, by the column's name
    :raises ValueError: if `person` is none of the keys
    """
    if person is not None and person not in keys:
        raise ValueError(
            f"person must name one of the keys of {table}, {', '.join(keys)}, and not {person!r}"
        )
    return {
        key: mapped_column(
            Text, primary_key=True, comment=about, info={PERSON: True} if key == person else {}
        )
        for key, about in keys.items()
    }


def key_columns(model: type[KeyedModel]) -> list[str]:
    """Return the names of the model's key columns."""
    return [column.name for column in model.__table__.primary_key if column.name not in model.besides_keys]


def person_of(model: type[KeyedModel]) -> str | None:
    """Return the name of the key column that names a person, None if none does."""
    columns = model.__table__.columns
    return next((column.name for column in columns if column.info.get(PERSON)), None)


def is_person(model: Any, column: str) -> bool:
    """Return whether a column of a model names a person."""
    return bool(model.__table__.columns[column].info.get(PERSON))


def renamed(model: Any, columns: Sequence[str], texts: Iterable[Any], pseudonyms: Pseudonyms) -> list[Any]:
    """Return the texts of columns, without the names of people who are forgotten.

    A column that names a person has the name alone. Of any other the name may be a part, as of a topic or the path of
    a fork; all of it is something else of the same name, such as a package.

    :param texts: each may be None
    """
    pairs = zip(columns, texts, strict=True)
    return [
        text if text is None else (pseudonyms.of if is_person(model, column) else pseudonyms.within)(text)
        for column, text in pairs
    ]


class KeyedPlugin(BasePlugin):
    """A plugin of any kind that puts keys into its queue."""

    queued: ClassVar[bool] = True

    def _renamed_keys(self, keys: Sequence[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return keys of the model without the names of people who are forgotten."""
        return renamed(self.model, key_columns(self.model), keys, pseudonyms)

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self._width = -1  # of the model's keys, of which a subclass may not yet have told

    def _check_width(self, method: str, keys: Sequence[Any]) -> None:
        """Check that there are as many keys as the model has key columns, which from now on is known."""
        names = key_columns(self.model)
        if len(keys) != len(names):
            wanted = f"{', '.join(names)}" if names else "none"
            raise TypeError(
                f"{method} takes the keys of {self.model.__tablename__}, {wanted}, and got {len(keys)}"
            )
        self._width = len(names)
