"""Contributions on pagure.io."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.pagure.utils import PagurePluginMixin
from statscache_plugins.volume.utils import plugin_factory


class Plugin(PagurePluginMixin):
    """Counts all contributions."""

    name = "pagure contributions"
    summary = "Contributions on pagure.io"
    description = (
        "How much was done on pagure.io: issues, comments, pull requests, pushes and everything else."
    )

    def process(self, message: Message) -> None:
        self.count(message)


plugins = plugin_factory((timedelta(days=1),), Plugin, "data_pagure_contribution")
