"""How the tables of rules say where messages keep names, and how these are read."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple


def whole(text: str) -> list[str]:
    return [text]


def account(text: str) -> list[str]:
    """A project address stands for its account; without an account server any other stays as it is."""
    return [text.removesuffix("@fedoraproject.org")]


def mentions(text: str) -> list[str]:
    return re.findall(r"@(\w+)", text)


def nvrs(text: str) -> list[str]:
    """The package names of name-version-release texts, which commas or spaces separate."""
    return [nvr.rsplit("-", 2)[0] for nvr in re.split("[ ,]", text)]


class Rule(NamedTuple):
    """Where the messages of some topics keep names.

    topics: patterns of what follows the category, `*` standing for anything.
    paths: looked at in this order until one leads to a name; `*` goes through a list. They start at `msg`
        or at `tail`, which holds the topic's parts between the one after the category and the last.
    read: what names a text found there holds.
    only: a path and the values allowed there; where the path leads to any other, the rule names nothing.
    needs: a path that must lead to one of some values, or the rule names nothing.
    """

    topics: tuple[str, ...]
    paths: tuple[str, ...]
    read: Callable[[str], Iterable[str]] = whole
    only: tuple[str, tuple[Any, ...]] | None = None
    needs: tuple[str, tuple[Any, ...]] | None = None


def category_place(topic: str) -> int:
    """Which part of a topic is its category, from 0: the fourth, but the third of a VirtualTopic, as in datanommer."""
    return 2 if "VirtualTopic" in topic else 3


def category_of(message: Mapping[str, Any]) -> str:
    """The message's category; empty where its topic is too short."""
    return _split(message)[0]


def apply(table: Mapping[str, tuple[Rule, ...]], message: Mapping[str, Any]) -> frozenset[str]:
    category, rest = _split(message)
    rules = table.get(category, ())
    subtopic, root = ".".join(rest), {"msg": message.get("msg"), "tail": ".".join(rest[1:-1])}
    return frozenset(name for rule in rules if _covers(rule.topics, subtopic) for name in _read(rule, root))


def _split(message: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The category and the parts of the topic that follow it."""
    topic = message.get("topic")
    if not isinstance(topic, str):
        return "", []
    category, *rest = topic.split(".")[category_place(topic) :] or [""]
    return category, rest


@lru_cache(maxsize=4096)
def _covers(patterns: tuple[str, ...], subtopic: str) -> bool:
    return any(fnmatchcase(subtopic, pattern) for pattern in patterns)


def _read(rule: Rule, root: Mapping[str, Any]) -> set[str]:
    """The names at the first path that leads to any."""
    if not _allowed(rule, root):
        return set()
    for path in rule.paths:
        texts = (value for value in _follow(root, path.split(".")) if isinstance(value, str))
        names = {name for text in texts for name in rule.read(text) if name}
        if names:
            return names
    return set()


def _allowed(rule: Rule, root: Mapping[str, Any]) -> bool:
    if rule.only is not None and not all(_values(rule.only, root)):
        return False
    return rule.needs is None or any(_values(rule.needs, root))


def _values(condition: tuple[str, tuple[Any, ...]], root: Mapping[str, Any]) -> Iterator[bool]:
    """Yield, for each value at the end of the path, whether it is one of those named."""
    path, values = condition
    return (value in values for value in _follow(root, path.split(".")))


def _follow(value: Any, steps: list[str]) -> Iterator[Any]:
    """Everything at the end of a path; nothing where a step does not fit the shape."""
    if not steps:
        yield value
    elif steps[0] == "*":
        for item in value if isinstance(value, list | tuple) else ():
            yield from _follow(item, steps[1:])
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _follow(value[steps[0]], steps[1:])
