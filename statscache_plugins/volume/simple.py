"""The volume of messages."""

from __future__ import annotations

from statscache.plugins import Message
from statscache_plugins.volume.utils import COARSE, FINE, VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts every message."""

    name = "volume"
    summary = "Messages"
    description = "How many messages were on the bus in each window."

    def process(self, message: Message) -> None:
        self.count(message)


plugins = plugin_factory((*FINE, *COARSE), Plugin, "data_volume")
