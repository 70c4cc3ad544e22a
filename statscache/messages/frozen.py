"""Dicts and lists that can only be read."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, ValuesView
from copy import deepcopy
from typing import Any, NoReturn


def _read_only(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError("a message is shared by all plugins and cannot be changed: change a copy.deepcopy of it")


class FrozenList(list[Any]):
    """A list that can only be read, of items that `_frozen` has frozen: what is sliced or added to it stays so."""

    def __deepcopy__(self, memo: dict[int, Any]) -> list[Any]:
        return [deepcopy(item, memo) for item in self]

    def copy(self) -> list[Any]:
        return deepcopy(self)

    __copy__ = copy
    __setitem__ = __delitem__ = __iadd__ = __imul__ = append = extend = insert = _read_only
    pop = remove = clear = sort = reverse = _read_only


class FrozenDict(dict[str, Any]):
    """A dict that can only be read, and so can all that is in it.

    What lies deeper is frozen when it is first read. `__iter__` is defined because without it `dict(frozen)` and
    `{**frozen}` would copy past `__getitem__`.
    """

    def __getitem__(self, key: str) -> Any:
        value = dict.__getitem__(self, key)
        kind = type(value)
        if kind is dict or kind is list:
            value = _frozen(value)
            dict.__setitem__(self, key, value)  # so that it is frozen once
        return value

    def __iter__(self) -> Iterator[str]:
        return dict.__iter__(self)

    def get(self, key: str, default: Any = None) -> Any:
        value = dict.get(self, key, default)
        kind = type(value)
        return self[key] if (kind is dict or kind is list) and key in self else value

    def values(self) -> ValuesView[Any]:  # type: ignore[override]  # a view as good as dict's own
        return ValuesView(self)

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]  # a view as good as dict's own
        return ItemsView(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        return {key: deepcopy(dict.__getitem__(self, key), memo) for key in self}

    def copy(self) -> dict[str, Any]:
        return deepcopy(self)

    def __or__(self, other: Any) -> Any:
        return deepcopy(self) | other

    def __ror__(self, other: Any) -> Any:
        return other | deepcopy(self)

    __copy__ = copy
    __setitem__ = __delitem__ = __ior__ = _read_only
    pop = popitem = setdefault = update = clear = _read_only


def _frozen(value: Any) -> Any:
    kind = type(value)
    if kind is list:
        return FrozenList(map(_frozen, value))
    return FrozenDict(value) if kind is dict else value
