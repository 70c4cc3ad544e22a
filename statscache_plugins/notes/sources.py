"""Which messages tell of something to note, and what.

A message that lacks what a note needs tells of nothing. What monitoring says of single hosts is no outage that anybody
has announced, and what is released upstream is no release of the project: neither is noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from statscache.plugins import Message, Note
from statscache_plugins.fields import at
from statscache_plugins.notes.announcements import mail, post
from statscache_plugins.notes.texts import link_of, text_of

PREFIX = "org.fedoraproject.prod."
ATOMIC = "https://download.fedoraproject.org/pub/alt/atomic/stable/"
#: What a status of pungi says of a compose that has come to its end with something to show for it.
FINISHED = {"FINISHED": "Compose finished", "FINISHED_INCOMPLETE": "Compose finished, incomplete"}


def pungi(message: Message) -> Note | None:
    """Note a compose of pungi's that is finished."""
    compose, status = text_of(message, "msg", "compose_id"), text_of(message, "msg", "status")
    if compose is None or status not in FINISHED:
        return None
    return Note(
        message.when, None, "other", f"{FINISHED[status]}: {compose}", link_of(message, "msg", "location")
    )


def compose(message: Message) -> Note | None:
    """Note a compose of the time before pungi that is complete, of one architecture or of the primary ones."""
    if not isinstance(message.get("msg"), Mapping):
        return None
    branch, arch = message.topic.split(".")[4], text_of(message, "msg", "arch")
    release = text_of(message, "msg", "branch")  # of rawhide it is a name for the same, or for its modules
    named = [release or branch] if branch == "rawhide" else [branch, release]
    whole = " ".join(filter(None, [*named, arch and f"({arch})"]))
    return Note(message.when, None, "other", f"Compose finished: {whole}")


def atomic(message: Message) -> Note | None:
    """Note a release of Fedora Atomic Host, whose images are listed by architecture since 2018."""
    images: Any = at(message, "msg", "x86_64") or at(message, "msg")
    release = text_of(images, "atomic_raw", "release")
    if release is None:
        return None
    return Note(message.when, None, "release", f"Fedora {release} Atomic Host released", ATOMIC)


def nothing(message: Message) -> Note | None:
    """Note nothing."""
    return None


SOURCES: Mapping[str, Callable[[Message], Note | None]] = {
    "pungi.compose.status.change": pungi,
    "compose.rawhide.complete": compose,
    "compose.branched.complete": compose,
    "releng.atomic.twoweek.complete": atomic,
    "mailman.receive": mail,
    "planet.post.new": post,
}
TOPICS = re.compile(rf"\A{re.escape(PREFIX)}({'|'.join(map(re.escape, SOURCES))})\Z")


def source_of(topic: str) -> Callable[[Message], Note | None]:
    """Return what knows the messages of a topic."""
    return SOURCES.get(topic.removeprefix(PREFIX), nothing)
