"""The volume of messages, by package."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.volume.utils import VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages once for each package they name."""

    name = "volume, by package"
    summary = "Messages that name each package"
    description = "How many messages named each package; one that names several counts once for each."
    enabled_by_default = False

    def process(self, message: Message) -> None:
        for package in message.packages:
            self.count(message, package)


plugins = plugin_factory(
    (timedelta(seconds=1), timedelta(seconds=5), timedelta(minutes=1)),
    Plugin,
    "data_volume_by_package",
    package="the package's name",
)
