"""How the tables of rules say where messages keep names, and how these are read."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
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


#: No names.
NONE: frozenset[str] = frozenset()


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
    topic = message.get("topic")
    return _split(topic)[0] if isinstance(topic, str) else ""


class Table(dict[str, tuple[Rule, ...]]):
    """Rules by category. Which of them a topic has is found once."""

    def __init__(self, rules: Mapping[str, tuple[Rule, ...]]) -> None:
        super().__init__(rules)
        self._covering = lru_cache(maxsize=4096)(self._find_covering)

    def names(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The names that a message keeps where its rules say."""
        topic = message.get("topic")
        tail, rules = self._covering(topic) if isinstance(topic, str) else ("", ())
        if not rules:
            return NONE
        root = {"msg": message.get("msg"), "tail": tail}
        return frozenset(name for rule in rules for name in _read(rule, root))

    def _find_covering(self, topic: str) -> tuple[str, tuple[Rule, ...]]:
        """The tail of a topic, and the rules that cover it."""
        category, rest = _split(topic)
        subtopic = ".".join(rest)
        covering = (rule for rule in self.get(category, ()) if _covers(rule, subtopic))
        return ".".join(rest[1:-1]), tuple(covering)


def _split(topic: str) -> tuple[str, list[str]]:
    """The category of a topic and the parts that follow it."""
    category, *rest = topic.split(".")[category_place(topic) :] or [""]
    return category, rest


def _covers(rule: Rule, subtopic: str) -> bool:
    return any(fnmatchcase(subtopic, pattern) for pattern in rule.topics)


def _read(rule: Rule, root: Mapping[str, Any]) -> set[str]:
    """The names at the first path that leads to any."""
    if not _allowed(rule, root):
        return set()
    for path in rule.paths:
        texts = [value for value in _follow(root, path) if isinstance(value, str)]
        if names := {name for text in texts for name in rule.read(text) if name}:
            return names
    return set()


def _allowed(rule: Rule, root: Mapping[str, Any]) -> bool:
    if rule.only is not None and not all(_values(rule.only, root)):
        return False
    return rule.needs is None or any(_values(rule.needs, root))


def _values(condition: tuple[str, tuple[Any, ...]], root: Mapping[str, Any]) -> Iterator[bool]:
    """Yield, for each value at the end of the path, whether it is one of those named."""
    path, values = condition
    return (value in values for value in _follow(root, path))


def _follow(root: Mapping[str, Any], path: str) -> list[Any]:
    """Everything at the end of a path; nothing where a step does not fit the shape.

    It is only read, so it need not be frozen.
    """
    found: list[Any] = [root]
    for step in _steps(path):
        if step == "*":
            found = [item for value in found if isinstance(value, list | tuple) for item in value]
        else:
            found = [
                dict.__getitem__(value, step) for value in found if isinstance(value, dict) and step in value
            ]
        if not found:
            break
    return found


@cache  # there are as many as rules name
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.split("."))
