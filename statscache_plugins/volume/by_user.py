"""The volume of messages, by user."""

from __future__ import annotations

from statscache.plugins import Message
from statscache_plugins.volume.utils import COARSE, FINE, VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages once for each user they name."""

    name = "volume, by user"
    summary = "Messages that name each user"
    description = "How many messages named each user; one that names several counts once for each."

    def process(self, message: Message) -> None:
        for username in message.usernames:
            self.count(message, username)


class FinePlugin(Plugin):
    """The same in short windows, of which there are many rows."""

    enabled_by_default = False


KEYS = {"username": "the user's account name"}
plugins = plugin_factory(FINE, FinePlugin, "data_volume_by_user", person="username", **KEYS)
coarse_plugins = plugin_factory(COARSE, Plugin, "data_volume_by_user", person="username", **KEYS)
