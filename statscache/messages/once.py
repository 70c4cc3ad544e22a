"""What is worked out when it is first read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class once(Generic[Value]):
    """An attribute whose value is worked out when it is first read, and kept.

    It does as `functools.cached_property`, without the lock that this takes before Python 3.12: two threads may both
    work it out. That lock was a fifteenth of what it costs to take a message.
    """

    def __init__(self, work_out: Callable[[Any], Value]) -> None:
        self._work_out = work_out
        self.__doc__ = work_out.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        if instance is None:
            return self  # type: ignore[return-value]  # the class's own, for who reads its docstring
        value = instance.__dict__[self._name] = self._work_out(instance)
        return value
