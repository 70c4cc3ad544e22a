"""Updates repositories of Fedora and EPEL."""

from __future__ import annotations

import re

from statscache.plugins import LatestPlugin, Message

TOPIC = re.compile(r"^org\.fedoraproject\.prod\.bodhi\.updates\.(?P<distro>fedora|epel)\.sync$")


class Plugin(LatestPlugin):
    """Notes when each updates repository was last synced out."""

    name = "updates"
    summary = "The latest syncs of the updates repositories"
    description = "When each updates repository of Fedora and EPEL was last synced out."

    topics = TOPIC

    def process(self, message: Message) -> None:
        match = TOPIC.fullmatch(message.topic)
        if match is None:
            return
        name = f"{message['msg']['release']}-{message['msg']['repo']}"
        self.note(message, f"updates-{match['distro']}", name, {"name": name, "status": "synced out"})
