"""Users and packages of the categories that matter most, where nobody else knows them.

The tables say where each kind of message keeps its names. They follow what Fedora's processors
(fedmsg_meta_fedora_infrastructure 0.31) name, so that counts hardly depend on whether those are installed.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, NamedTuple

from statscache.messages import headers


def _whole(text: str) -> list[str]:
    return [text]


def _account(text: str) -> list[str]:
    """A project address stands for its account; without an account server any other stays as it is."""
    return [text.removesuffix("@fedoraproject.org")]


def _mentions(text: str) -> list[str]:
    return re.findall(r"@(\w+)", text)


def _nvrs(text: str) -> list[str]:
    """The package names of name-version-release texts, which commas or spaces separate."""
    return [nvr.rsplit("-", 2)[0] for nvr in re.split("[ ,]", text)]


class Rule(NamedTuple):
    """Where the messages of some topics keep names.

    topics: patterns of what follows the category, `*` standing for anything.
    paths: looked at in this order until one leads to a name; `*` goes through a list. They start at `msg`
        or at `tail`, which holds the topic's parts between the one after the category and the last.
    read: what names a text found there holds.
    only: a path and the values allowed there; where the path leads to any other, the rule names nothing.
    """

    topics: tuple[str, ...]
    paths: tuple[str, ...]
    read: Callable[[str], Iterable[str]] = _whole
    only: tuple[str, tuple[str, ...]] | None = None


ALL = ("*",)
# Long ago the repository came first, as in git.valgrind.git.receive; there Fedora's processor takes the tail,
# "git", for the package, and so do we.
PUSHED = ("receive*", "*git.receive*")
TAGGED = ("tag*", "untag*")
CHANGED = ("build.state.change*", "task.state.change*")
UPDATED = (
    "update.comment*",
    "update.complete*",
    "update.edit*",
    "update.eject*",
    "update.karma.threshold*",
    "update.request*",
    "update.requirements_met*",
    "errata.publish*",
)

USERNAMES: dict[str, tuple[Rule, ...]] = {
    "bodhi": (
        Rule(ALL, ("msg.agent",)),
        Rule(
            ALL,
            ("msg.comment.user", "msg.comment.user.name", "msg.comment.author", "msg.comment.author.name"),
        ),
        Rule(
            ALL,
            ("msg.update.user", "msg.update.user.name", "msg.update.submitter", "msg.update.submitter.name"),
        ),
        Rule(ALL, ("msg.override.submitter", "msg.override.submitter.name")),
        Rule(ALL, ("msg.comment.text",), _mentions),
    ),
    "buildsys": (
        Rule(TAGGED + CHANGED, ("msg.owner",)),
        Rule(TAGGED, ("msg.user",)),
    ),
    "copr": (
        Rule(ALL, ("msg.user",)),
        Rule(ALL, ("msg.owner",)),
    ),
    "git": (Rule(ALL, ("msg.agent", "msg.commit.username")),),
    "pagure": (
        Rule(ALL, ("msg.agent",)),
        # Older pushes name the author of one commit instead of the one who pushed.
        Rule(PUSHED, ("msg.agent", "msg.commit.email"), _account),
    ),
}

PACKAGES: dict[str, tuple[Rule, ...]] = {
    "bodhi": (
        Rule(
            UPDATED,
            (
                "msg.update.title",
                "msg.update.builds.*.nvr",
                "msg.comment.update.title",
                "msg.comment.update.builds.*.nvr",
                "msg.comment.update_title",
            ),
            _nvrs,
        ),
        Rule(("buildroot_override.*",), ("msg.override.build", "msg.override.build.nvr"), _nvrs),
        Rule(("masher.start*",), ("msg.updates.*",), _nvrs),
        Rule(("stack*",), ("msg.stack.packages.*.name",)),
    ),
    "buildsys": (
        Rule((*TAGGED, "build.state.change*"), ("msg.name",)),
        Rule(("rpm.sign*",), ("msg.info.name", "msg.rpm.name")),
        Rule(("package.list.change*",), ("msg.package",)),
    ),
    # Projects and builds of copr and pagure are not packages of the distribution.
    "copr": (),
    "git": (
        # Other namespaces hold containers, modules and tests.
        Rule(PUSHED, ("msg.commit.repo", "tail"), only=("msg.commit.namespace", ("rpms", "rpms-checks"))),
        Rule(("branch*",), ("msg.name", "tail")),
        Rule(("lookaside*",), ("msg.name",)),
        Rule(("pkgdb2branch.complete*",), ("msg.branchedPackages.*",)),
        Rule(("pkgdb2branch.complete*",), ("msg.unbranchedPackages.*",)),
    ),
    "pagure": (),
}

CATEGORIES = frozenset(USERNAMES)


def category_place(topic: str) -> int:
    """Which part of a topic is its category, from 0: the fourth, but the third of a VirtualTopic, as in datanommer."""
    return 2 if "VirtualTopic" in topic else 3


def category_of(message: Mapping[str, Any]) -> str:
    """The message's category; empty where its topic is too short."""
    return _split(message)[0]


def usernames(message: Mapping[str, Any]) -> frozenset[str]:
    """The users that the headers name, else those of a message of CATEGORIES; none where its shape is unknown."""
    return headers.usernames(message) or _apply(USERNAMES, message)


def packages(message: Mapping[str, Any]) -> frozenset[str]:
    """The packages that the headers name, else those of a message of CATEGORIES; none where its shape is unknown."""
    return headers.packages(message) or _apply(PACKAGES, message)


def _apply(table: Mapping[str, tuple[Rule, ...]], message: Mapping[str, Any]) -> frozenset[str]:
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
    if rule.only is None:
        return True
    path, values = rule.only
    return all(value in values for value in _follow(root, path.split(".")))


def _follow(value: Any, steps: list[str]) -> Iterator[Any]:
    """Everything at the end of a path; nothing where a step does not fit the shape."""
    if not steps:
        yield value
    elif steps[0] == "*":
        for item in value if isinstance(value, list | tuple) else ():
            yield from _follow(item, steps[1:])
    elif isinstance(value, Mapping) and steps[0] in value:
        yield from _follow(value[steps[0]], steps[1:])
