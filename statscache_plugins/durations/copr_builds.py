"""How long builds in Copr take, in each chroot."""

from __future__ import annotations

import re
from datetime import timedelta

from statscache.plugins import DurationPlugin, Message, duration_model
from statscache_plugins.fields import number_at, text_at

#: How a build may end, by its status: `StatusEnum` in common/copr_common/enums.py of
#: https://github.com/fedora-copr/copr. Today's backend ends a build as failed or succeeded only
#: (`_mark_finished` in backend/copr_backend/background_worker_build.py). All other numbers are of builds that go on.
OUTCOMES = {0: "failed", 1: "succeeded", 2: "canceled", 5: "skipped"}


class Plugin(DurationPlugin):
    """Measures from the start of a build in a chroot to its end there.

    Of the messages that tell of the start, `build.start` names the chroot since 2015, and `chroot.start` always has;
    those that name none tell of no chroot's start. Where both come, the first counts. The sources are built in a
    chroot of Copr's own, `srpm-builds`.
    """

    name = "copr builds"
    summary = "How long builds in Copr take"
    description = "How long builds in Copr take in each chroot, from the start until they have ended there."
    interval = timedelta(hours=1)
    #: A build has a time limit, which the project can raise to some two days.
    give_up = timedelta(days=3)
    model = duration_model(
        "data_copr_build_1h",
        "How long builds in Copr took in each chroot, in windows of 1h that are labelled by their start in UTC",
        chroot="what was built for, such as fedora-rawhide-x86_64",
        outcome="succeeded, failed, canceled or skipped",
    )
    topics = re.compile(r"\Aorg\.fedoraproject\.prod\.copr\.(build\.start|chroot\.start|build\.end)\Z")

    def process(self, message: Message) -> None:
        msg = message.get("msg")
        build, chroot, status = number_at(msg, "build"), text_at(msg, "chroot"), number_at(msg, "status")
        if build is None or chroot is None:
            return
        if message.topic.endswith(".start"):
            self.began(message, f"{build} {chroot}", chroot, None)
        elif status in OUTCOMES:
            self.ended(message, f"{build} {chroot}", chroot, OUTCOMES[status])
