"""How long updates take from their submission to stable."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from statscache.plugins import DurationPlugin, Message, duration_model
from statscache_plugins.fields import at, text_at

PREFIX = "org.fedoraproject.prod.bodhi.update."
#: The longest title in bytes that is an id as it is: some name hundreds of builds.
LONGEST_TITLE = 1000


class Plugin(DurationPlugin):
    """Measures from the submission of an update until it is stable, or is taken back.

    An update is known by its alias, which Bodhi gives it at once since 2.0 of 2015. Before, it was named only when it
    was pushed (`updateid`), and what its messages have in common is the title, a list of its builds.

    It is submitted with the request for testing, or with that for stable while it is pending. It is over when it is
    stable or obsolete, and when it is unpushed or its submission is revoked, which makes it unpushed, too: then it can
    be submitted again. A request that is revoked later leaves the update where it is, and one that is ejected from a
    push stays submitted. These are the states that `set_request` in bodhi-server/bodhi/server/models.py of
    https://github.com/fedora-infra/bodhi goes through. Bodhi sends nothing when a newer update makes one obsolete, nor
    when an update of rawhide becomes stable, which no push of Bodhi's does: of these nothing is known here.
    """

    name = "bodhi updates"
    summary = "How long updates take to stable"
    description = (
        "How long updates in Bodhi take from submission until they are stable, obsolete or unpushed."
    )
    interval = timedelta(hours=1)
    #: A release lives for 13 months. In EPEL, some updates wait for longer than that.
    give_up = timedelta(days=730)
    model = duration_model(
        "data_bodhi_update_1h",
        "How long updates in Bodhi took from submission, in windows of 1h that are labelled by their start in UTC",
        release="the release's name, such as F41",
        outcome="stable, obsolete or unpushed",
    )
    topics = re.compile(
        rf"\A{re.escape(PREFIX)}(request\.(testing|stable|obsolete|unpush|revoke)|complete\.stable)\Z"
    )

    def process(self, message: Message) -> None:
        update = at(message, "msg", "update")
        ident, release = ident_of(update), text_at(update, "release", "name")
        if ident is None or release is None:
            return
        what, status = message.topic.removeprefix(PREFIX), at(update, "status")
        outcome = outcome_of(what, status)
        if outcome is not None:
            self.ended(message, ident, release, outcome)
        elif what == "request.testing" or (what == "request.stable" and status == "pending"):
            self.began(message, ident, release, None)


def outcome_of(what: str, status: Any) -> str | None:
    """Return how an update has ended, None if it has not.

    :param what: the end of the topic
    :param status: the update's when the message was sent
    """
    if what == "request.revoke":
        return "unpushed" if status == "unpushed" else None
    return {"complete.stable": "stable", "request.obsolete": "obsolete", "request.unpush": "unpushed"}.get(
        what
    )


def ident_of(update: Any) -> str | None:
    """Return what tells an update from all others, None if the message does not say."""
    if not isinstance(update, Mapping):
        return None
    title = text_at(update, "title")
    if alias := text_at(update, "alias"):
        return alias
    if title is not None and len(title) > LONGEST_TITLE // 4:
        encoded = title.encode(errors="surrogatepass")
        return title if len(encoded) <= LONGEST_TITLE else "sha256:" + hashlib.sha256(encoded).hexdigest()
    return title
