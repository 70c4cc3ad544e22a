"""The volume of messages, by topic."""

from __future__ import annotations

from statscache.plugins import Message
from statscache_plugins.volume.utils import COARSE, FINE, VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages by their topic."""

    name = "volume, by topic"
    summary = "Messages of each topic"
    description = "How many messages of each topic were on the bus."

    def process(self, message: Message) -> None:
        self.count(message, message.topic)


class FinePlugin(Plugin):
    """The same in short windows, of which there are many rows."""

    enabled_by_default = False


KEYS = {"topic": "the whole topic"}
plugins = plugin_factory(FINE, FinePlugin, "data_volume_by_topic", **KEYS)
coarse_plugins = plugin_factory(COARSE, Plugin, "data_volume_by_topic", **KEYS)
