"""The volume of messages, by category."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.volume.utils import VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages by their category."""

    name = "volume, by category"
    summary = "Messages of each category"
    description = (
        "How many messages of each category were on the bus; the category is the fourth part of a topic, "
        "or the third of one that contains VirtualTopic."
    )

    def process(self, message: Message) -> None:
        if message.category is not None:
            self.count(message, message.category)


plugins = plugin_factory(
    (
        timedelta(seconds=1),
        timedelta(seconds=15),
        timedelta(minutes=1),
        timedelta(hours=1),
        timedelta(days=1),
    ),
    Plugin,
    "data_volume_by_category",
    category="the fourth part of the topic, such as bodhi, or the third of a VirtualTopic",
)
