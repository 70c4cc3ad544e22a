"""How long composes take."""

from __future__ import annotations

import re
from datetime import timedelta

from statscache.plugins import DurationPlugin, Message, duration_model
from statscache_plugins.fields import text_at

#: What a compose's id is made of, after productmd: the release, the date, the type and the number of the day.
COMPOSE = re.compile(r"(?P<release>.+)-\d{8}(\.[a-z]+)?\.\d+", re.ASCII)
#: The states that pungi writes when a compose has come to its end: `write_status` in pungi/compose.py of
#: https://pagure.io/pungi.
OUTCOMES = {
    "FINISHED": "finished",
    "FINISHED_INCOMPLETE": "finished incomplete",
    "DOOMED": "doomed",
    "TERMINATED": "terminated",
}


class Plugin(DurationPlugin):
    """Measures from the start of a compose of pungi's to its end.

    The release is what the compose's id begins with, such as Fedora-Rawhide: older messages name it nowhere else.
    """

    name = "pungi composes"
    summary = "How long composes take"
    description = (
        "How long composes of each release take, from the start until finished, doomed or terminated."
    )
    interval = timedelta(hours=1)
    #: A compose takes hours. One that is new every day is not worth going on with for days.
    give_up = timedelta(days=3)
    model = duration_model(
        "data_pungi_compose_1h",
        "How long composes took, in windows of 1h that are labelled by their start in UTC",
        release="the release's id, such as Fedora-Rawhide or Fedora-Cloud-41",
        outcome="finished, finished incomplete, doomed or terminated",
    )
    topics = re.compile(r"\Aorg\.fedoraproject\.prod\.pungi\.compose\.status\.change\Z")

    def process(self, message: Message) -> None:
        compose, status = text_at(message, "msg", "compose_id"), text_at(message, "msg", "status")
        parts = COMPOSE.fullmatch(compose or "")
        if compose is None or parts is None:
            return
        if status == "STARTED":
            self.began(message, compose, parts["release"], None)
        elif status in OUTCOMES:
            self.ended(message, compose, parts["release"], OUTCOMES[status])
