"""How long pull requests and issues on pagure are open."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from statscache.plugins import DurationPlugin, Message, duration_model
from statscache_plugins.fields import at, number_at, text_at

#: The hosts whose pagure sends messages under a topic, where these do not say it.
HOSTS = {"io.pagure": "pagure.io", "org.fedoraproject": "src.fedoraproject.org"}
TOPIC = r"\A(io\.pagure|org\.fedoraproject)\.prod\.pagure\."
INSTANCE = "the host of the pagure, such as pagure.io"
PROJECT = "the project's full name, such as rpms/kernel"


class PullRequests(DurationPlugin):
    """Measures from the opening of a pull request to its closing. One that is opened again begins again."""

    name = "pagure pull requests"
    summary = "How long pull requests on pagure are open"
    description = "How long pull requests on pagure are open in each project, until merged or closed without."
    interval = timedelta(hours=1)
    give_up = timedelta(days=730)
    model = duration_model(
        "data_pagure_pull_request_1h",
        "How long pull requests on pagure were open, in windows of 1h that are labelled by their start in UTC",
        instance=INSTANCE,
        project=PROJECT,
        outcome="merged or closed",
    )
    topics = re.compile(rf"{TOPIC}pull-request\.(new|reopened|closed)\Z")

    def process(self, message: Message) -> None:
        request, merged = at(message, "msg", "pullrequest"), at(message, "msg", "merged")
        place = place_of(message.topic, at(request, "project"), number_at(request, "id"))
        if place is None:
            return
        if not message.topic.endswith(".closed"):
            self.began(message, *place, None)
        elif isinstance(merged, bool):
            self.ended(message, *place, "merged" if merged else "closed")


class Issues(DurationPlugin):
    """Measures from the opening of an issue to its closing. One that is opened again begins again.

    Since 2017 the status of an issue is Open or Closed; before, it named the reason, such as Fixed. Pagure tells in
    `fields` whether an edit has changed it, and takes all that is not Open for closed (`edit_issue` in
    pagure/lib/query.py of https://pagure.io/pagure).
    """

    name = "pagure issues"
    summary = "How long issues on pagure are open"
    description = "How long issues on pagure are open in each project, until closed or deleted."
    interval = timedelta(hours=1)
    give_up = timedelta(days=730)
    model = duration_model(
        "data_pagure_issue_1h",
        "How long issues on pagure were open, in windows of 1h that are labelled by their start in UTC",
        instance=INSTANCE,
        project=PROJECT,
        outcome="closed or deleted",
    )
    topics = re.compile(rf"{TOPIC}issue\.(new|edit|drop)\Z")

    def process(self, message: Message) -> None:
        issue, status = at(message, "msg", "issue"), text_at(message, "msg", "issue", "status")
        place = place_of(message.topic, at(message, "msg", "project"), number_at(issue, "id"))
        if place is None or status is None:
            return
        is_open, what = status.lower() == "open", message.topic.rpartition(".")[2]
        if what == "new" and is_open:
            self.began(message, *place, None)
        elif what == "drop" and is_open:
            self.ended(message, *place, "deleted")
        elif what == "edit" and changes_status(message):
            self._edited(message, place, is_open)

    def _edited(self, message: Message, place: tuple[str, str, str], is_open: bool) -> None:
        if is_open:
            self.began(message, *place, None)
        else:
            self.ended(message, *place, "closed")


def changes_status(message: Message) -> bool:
    """Return whether an edit of an issue has changed its status."""
    fields = at(message, "msg", "fields")
    return isinstance(fields, list | tuple) and "status" in fields


def place_of(topic: str, project: Any, number: int | None) -> tuple[str, str, str] | None:
    """Return what tells a pull request or an issue from all others, the pagure and the project; None if not said.

    Projects are told apart by their numbers, which outlast a renaming, and pull requests and issues by theirs.
    """
    instance, name, own = instance_of(topic, project), full_name(project), number_at(project, "id")
    if instance is None or name is None or own is None or number is None:
        return None
    return f"{instance} {own} {number}", instance, name


def instance_of(topic: str, project: Any) -> str | None:
    """Return the host of a pagure: that of the project's address, since 2020, else the one that the topic names."""
    if url := text_at(project, "full_url"):
        try:
            return urlsplit(url).hostname
        except ValueError:
            return None
    return HOSTS.get(topic.partition(".prod.")[0])


def full_name(project: Any) -> str | None:
    """Return a project's name with its namespace, and that of a fork with its owner, as pagure's `fullname`.

    Older messages lack it, but have what it is made of.
    """
    if (given := text_at(project, "fullname")) is not None:
        return given
    name, namespace, owner = (
        text_at(project, *path) for path in (("name",), ("namespace",), ("user", "name"))
    )
    if name is None or ((fork := isinstance(at(project, "parent"), Mapping)) and owner is None):
        return None
    parts = [*(["forks", owner] if fork else []), namespace, name]
    return "/".join(filter(None, parts))


plugins = (PullRequests, Issues)
