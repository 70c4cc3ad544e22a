"""Who did what a message tells of, by hand for the topics that have rules; it imports nothing of statscache.

Of the others, four kinds name somebody as the processors of fedmsg and of Fedora say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.reference import Body, text_at, unfit

OPENID = re.compile(r"https?://([^./@]+)\.id\.fedoraproject\.org/?")


def agent(body: Body) -> str | None:
    """Return the account of who did it; None if nobody did, or the message says it in two ways."""
    names = {account(name) for name in named(body) if name}
    return names.pop() if len(names) == 1 else None


def account(name: str) -> str | None:
    """Return the account that a name stands for; None for a group, and for what cannot be a key."""
    openid = OPENID.fullmatch(name)
    found = openid[1] if openid else name.removesuffix("@fedoraproject.org")
    return None if not found or found.startswith("@") or unfit(found) else found


def named(body: Body) -> Iterator[str | None]:
    """Yield whom the message names as the one who did it; who is only mentioned is left out."""
    category, msg = category_of(body), body.get("msg")
    what = ".".join(body["topic"].split(".")[category_place(body) + 1 :])
    if category in ("bodhi", "pagure"):
        yield text_at(msg, "agent")
    if category == "git":
        yield text_at(msg, "agent") or text_at(msg, "commit", "username")
    if category in ("announce", "logger"):
        yield text_at(body, "username")
    if category == "infragit":
        yield text_at(msg, "commit", "agent")
    if category == "waiverdb":
        yield text_at(msg, "username")
    if category == "bodhi":
        yield from of_bodhi(what, msg)
    if category == "buildsys":
        yield from of_buildsys(what, msg)
    if category == "copr" and what.startswith(("build.start", "chroot.start")):
        yield text_at(msg, "user")


def of_bodhi(what: str, msg: Any) -> Iterator[str | None]:
    """Yield who has written a comment, or has submitted an override that is tagged."""
    comment = msg.get("comment") if isinstance(msg, Mapping) else None
    written = what.startswith("update.comment") and isinstance(comment, Mapping)
    if written and comment.get("anonymous", False) in (False, None):
        yield either(comment, "user") or either(comment, "author")
    if what.startswith("buildroot_override.tag"):
        yield text_at(msg, "override", "submitter", "name") or text_at(msg, "override", "submitter")


def either(comment: Mapping[str, Any], who: str) -> str | None:
    """Return a name, which newer messages have in a part of its own."""
    return text_at(comment, who, "name") or text_at(comment, who)


def of_buildsys(what: str, msg: Any) -> Iterator[str | None]:
    """Yield who tags a build, and whose builds and tasks begin."""
    if what.startswith(("tag", "untag")):
        yield text_at(msg, "user")
    begun = {"build.state.change": (0,), "task.state.change": ("FREE", "OPEN")}
    for topic, states in begun.items():
        if what.startswith(topic) and isinstance(msg, Mapping) and msg.get("new") in states:
            yield text_at(msg, "owner")


def category_of(body: Body) -> str | None:
    """Return the fourth part of the topic, or the third of a VirtualTopic; None where it is shorter."""
    return dict(enumerate(body["topic"].split("."))).get(category_place(body))


def category_place(body: Body) -> int:
    """Return which part of the topic is the category, from 0 on."""
    return 2 if "VirtualTopic" in body["topic"] else 3
