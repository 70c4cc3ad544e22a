"""Contributions, by who made them and where."""

from __future__ import annotations

from statscache.plugins import Message
from statscache_plugins.volume.utils import COARSE, VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages by their agent and category."""

    name = "contributions, by agent and category"
    summary = "What each person did in each category"
    description = (
        "How many messages tell of something that a person did, by the person and the category. Who is only mentioned "
        "did nothing, and what nobody did is not counted."
    )

    def process(self, message: Message) -> None:
        if message.category is not None and message.agent is not None:
            self.count(message, message.agent, message.category)


plugins = plugin_factory(
    COARSE,
    Plugin,
    "data_contribution",
    person="agent",
    agent="the account of who did it",
    category="the fourth part of the topic, such as bodhi, or the third of a VirtualTopic",
)
