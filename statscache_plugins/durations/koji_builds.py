"""How long builds in koji take."""

from __future__ import annotations

import re
from datetime import timedelta

from statscache.plugins import DurationPlugin, Message, duration_model
from statscache_plugins.fields import at, number_at, text_at

#: The states of a build by their numbers: BUILD_STATES in koji/__init__.py of https://pagure.io/koji.
BUILDING, DELETED = 0, 2
OUTCOMES = {1: "complete", DELETED: "deleted", 3: "failed", 4: "canceled"}


class Plugin(DurationPlugin):
    """Measures from the state BUILDING to the one that comes next.

    Each hub of koji counts its builds for itself, and `instance` names it; where a message does not, it is the primary
    one, as Fedora's own processor has it (buildsys.py of fedmsg_meta_fedora_infrastructure). A build that is complete
    may be deleted later, and one that has failed be reset, which is called canceled; and what is imported was never
    built. So only what was BUILDING has ended. Until October 2018 some messages tell the new state twice, as the old
    one, too (commit fdedbc90 of koji): of these, all but deletions count.
    """

    name = "koji builds"
    summary = "How long builds in koji take"
    description = (
        "How long builds in koji take, from the start until they are complete, failed, canceled or deleted."
    )
    interval = timedelta(hours=1)
    #: Of what is built in koji hardly anything takes longer than three days.
    give_up = timedelta(days=7)
    model = duration_model(
        "data_koji_build_1h",
        "How long builds in koji took, in windows of 1h that are labelled by their start in UTC",
        instance="the koji that built it, such as primary",
        outcome="complete, failed, canceled or deleted",
    )
    topics = re.compile(r"\Aorg\.fedoraproject\.prod\.buildsys\.build\.state\.change\Z")

    def process(self, message: Message) -> None:
        msg = message.get("msg")
        build, old, new = (number_at(msg, name) for name in ("build_id", "old", "new"))
        if build is None or new is None or at(msg, "attribute") != "state":
            return
        instance = text_at(msg, "instance") or "primary"
        if new == BUILDING:
            self.began(message, f"{instance} {build}", instance, None)
        elif new in OUTCOMES and (old == BUILDING or old == new != DELETED):
            self.ended(message, f"{instance} {build}", instance, OUTCOMES[new])
