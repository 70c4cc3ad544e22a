"""Composes of rawhide and of the branched release."""

from __future__ import annotations

import re

from statscache.plugins import LatestPlugin, Message

STAGES = ("", ".mash", ".pungify", ".rsync")
COMPOSES = {f"org.fedoraproject.prod.compose.{b}{stage}" for b in ("rawhide", "branched") for stage in STAGES}
TOPIC = re.compile(r"(?P<compose>[\w.]+)\.(?P<status>start|complete)")


class Plugin(LatestPlugin):
    """Notes the state of the latest compose of each branch and architecture, as a whole and by stage."""

    name = "compose"
    summary = "The latest composes"
    description = "The state of the latest compose of each branch and architecture, as a whole and by stage."

    topics = re.compile(r"^org\.fedoraproject\.prod\.compose\.")

    def process(self, message: Message) -> None:
        match = TOPIC.match(message.topic)
        if match is None or match["compose"] not in COMPOSES:
            return
        parts, status = match["compose"].split("."), match["status"]
        branch, stage = parts[4], parts[-1]
        arch = message["msg"].get("arch") or "primary"
        state = {"name": stage.title(), "status": status}
        self.note(message, f"compose-{branch}_{arch}", stage, state, rank=int(status == "complete"))
