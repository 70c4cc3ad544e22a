"""Contributions on pagure.io, by user."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.pagure.utils import PagurePluginMixin
from statscache_plugins.volume.utils import plugin_factory


class Plugin(PagurePluginMixin):
    """Counts contributions once for each user they name."""

    name = "pagure contributions, by user"
    summary = "Contributions on pagure.io that name each user"
    description = "How much was done on pagure.io by and with each user."

    def process(self, message: Message) -> None:
        for username in message.usernames:
            self.count(message, username)


plugins = plugin_factory(
    (timedelta(days=1),),
    Plugin,
    "data_pagure_user_contribution",
    person="username",
    username="the user's account name",
)
