"""Announcements to people: mails to the lists that only announce, and posts of the project's magazine."""

from __future__ import annotations

import re
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from typing import Any

from statscache.plugins import Message, Note
from statscache_plugins.fields import at
from statscache_plugins.notes.texts import link_of, text_of

#: The lists to which only announcements come.
LISTS = ("announce", "devel-announce")
MAGAZINE = re.compile(r"https?://(www\.)?fedoramagazine\.org/")
#: Where mails are archived.
ARCHIVES = "https://lists.fedoraproject.org/archives"
OUTAGE = re.compile(r"\boutage\b", re.IGNORECASE)
#: A subject that says a release of the distribution is there, a beta's too.
RELEASE = re.compile(
    r"\b(announcing\b.*\bfedora( linux| core)? \d+\b"
    r"|fedora( linux| core)? \d+\b.*\b(is|has been|are) (now )?(here|available|released)\b)",
    re.IGNORECASE,
)
#: A subject that says something else of one.
OTHER = re.compile(r"\b(candidate|end of life|eol|schedule|delayed|no-go|slip)", re.IGNORECASE)
#: An instant in a subject, as in "Planned Outage - 2024-05-31 21:00 UTC".
INSTANT = re.compile(r"\b(\d{4})-(\d\d)-(\d\d),?(?: at)? (\d\d):?(\d\d) ?(?:UTC|Z)\b")


def mail(message: Message) -> Note | None:
    """Note what a mail announces that is no answer to another: at the instant that its subject names, if it does."""
    its = at(message, "msg", "msg")
    if (
        at(message, "msg", "mlist", "list_name") not in LISTS
        or at(its, "in-reply-to")
        or at(its, "references")
    ):
        return None
    subject = text_of({"subject": _decoded(at(its, "subject"))}, "subject")
    link = link_of({"link": _archived(at(its, "archived-at"))}, "link")
    if subject is None:
        return None
    if OUTAGE.search(subject):
        return Note(_instant(subject) or message.when, None, "outage", subject, link)
    return Note(message.when, None, "release", subject, link) if is_release(subject) else None


def post(message: Message) -> Note | None:
    """Note a release that the project's magazine announces."""
    title, link = text_of(message, "msg", "post", "title"), link_of(message, "msg", "post", "link")
    if title is None or link is None or not MAGAZINE.match(link) or not is_release(title):
        return None
    return Note(message.when, None, "release", title, link)


def is_release(text: str) -> bool:
    """Return whether a subject or title says that a release is there."""
    return RELEASE.search(text) is not None and OTHER.search(text) is None


def _decoded(subject: Any) -> Any:
    """Return a subject as people read it: a mail's header may hold other characters as ``=?UTF-8?…?=``."""
    if isinstance(subject, str) and "=?" in subject:
        with suppress(HeaderParseError, LookupError, ValueError):
            return str(make_header(decode_header(subject)))
    return subject


def _archived(where: Any) -> Any:
    """Return the link in the header Archived-At, which may have a path alone."""
    if not isinstance(where, str):
        return None
    link = where.removeprefix("<").removesuffix(">")
    return f"{ARCHIVES}{link}" if link.startswith("/") else link


def _instant(subject: str) -> datetime | None:
    """Return the instant that a subject names, None if there is none."""
    match = INSTANT.search(subject)
    if match is not None:
        with suppress(ValueError):
            return datetime(*map(int, match.groups()), tzinfo=UTC)  # type: ignore[misc, arg-type]
    return None
