"""The volume of messages, by package."""

from __future__ import annotations

from statscache.plugins import Message
from statscache_plugins.volume.utils import COARSE, FINE, VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages once for each package they name."""

    name = "volume, by package"
    summary = "Messages that name each package"
    description = "How many messages named each package; one that names several counts once for each."

    def process(self, message: Message) -> None:
        for package in message.packages:
            self.count(message, package)


class FinePlugin(Plugin):
    """The same in short windows, of which there are many rows."""

    enabled_by_default = False


KEYS = {"package": "the package's name"}
plugins = plugin_factory(FINE, FinePlugin, "data_volume_by_package", **KEYS)
coarse_plugins = plugin_factory(COARSE, Plugin, "data_volume_by_package", **KEYS)
