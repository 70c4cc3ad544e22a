"""The volume of messages, by topic."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.volume.utils import VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages by their topic."""

    name = "volume, by topic"
    summary = "Messages of each topic"
    description = "How many messages of each topic were on the bus."
    enabled_by_default = False

    def process(self, message: Message) -> None:
        self.count(message, message.topic)


plugins = plugin_factory(
    (timedelta(seconds=1), timedelta(seconds=5), timedelta(minutes=1)),
    Plugin,
    "data_volume_by_topic",
    topic="the whole topic",
)
