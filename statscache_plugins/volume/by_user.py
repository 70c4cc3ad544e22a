"""The volume of messages, by user."""

from __future__ import annotations

from datetime import timedelta

from statscache.plugins import Message
from statscache_plugins.volume.utils import VolumePluginMixin, plugin_factory


class Plugin(VolumePluginMixin):
    """Counts messages once for each user they name."""

    name = "volume, by user"
    summary = "Messages that name each user"
    description = "How many messages named each user; one that names several counts once for each."
    enabled_by_default = False

    def process(self, message: Message) -> None:
        for username in message.usernames:
            self.count(message, username)


plugins = plugin_factory(
    (timedelta(seconds=1), timedelta(seconds=5), timedelta(minutes=1)),
    Plugin,
    "data_volume_by_user",
    username="the user's account name",
)
