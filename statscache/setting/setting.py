"""A key of the configuration, and the kind of value that it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class SettingType(Generic[T]):
    """A kind of value in the configuration.

    :param read: turns what the configuration holds into what the program uses; raises ValueError with what
        was expected
    """

    name: str
    unit: str
    read: Callable[[Any], T]


@dataclass(frozen=True)
class Setting:
    """One key of the configuration.

    :param default: as the configuration would have it; None if there is none
    """

    key: str
    of: SettingType[Any]
    default: Any
    meaning: str

    @property
    def kind(self) -> str:
        """The name of its kind, for the documentation."""
        return self.of.name

    @property
    def unit(self) -> str:
        """The unit of a plain number, empty if it has none."""
        return self.of.unit

    def read(self, value: Any) -> Any:
        """Return what the program uses for what the configuration holds.

        :raises ValueError: with what was expected
        """
        return self.of.read(value)
