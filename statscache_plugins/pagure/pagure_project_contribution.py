"""Contributions on pagure.io, by project."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.fields import at
from statscache_plugins.pagure.utils import PagurePluginMixin
from statscache_plugins.volume.utils import plugin_factory

PULL_REQUEST = "io.pagure.prod.pagure.pull-request"
GIT_RECEIVE = "io.pagure.prod.pagure.git.receive"
COMMENT_EDITED = "io.pagure.prod.pagure.issue.comment.edited"
#: Where in `msg` the project's name may stand.
PATHS = (("pullrequest", "project", "name"), ("repo", "name"), ("project", "name"))


class Plugin(PagurePluginMixin):
    """Counts contributions by the project they are made to."""

    name = "pagure contributions, by project"
    summary = "Contributions to each project on pagure.io"
    description = "How much was done in each project on pagure.io; edits of comments are left out."

    def process(self, message: Message) -> None:
        project = project_of(message)
        if project is not None and message.topic != COMMENT_EDITED:
            self.count(message, project)


def project_of(message: Message) -> str | None:
    """Return the project that a message of pagure names, None if it names none.

    Where the path that goes with the topic is missing, the first of all paths that is there counts.
    """
    names = (at(message.get("msg"), *path) for path in (_usual_path(message.topic), *PATHS))
    return next((name for name in names if isinstance(name, str)), None)


def _usual_path(topic: str) -> tuple[str, ...]:
    if PULL_REQUEST in topic:
        return PATHS[0]
    return PATHS[1] if topic == GIT_RECEIVE else PATHS[2]


plugins = plugin_factory(
    (timedelta(days=1),), Plugin, "data_pagure_project_contribution", project="the project's name"
)
