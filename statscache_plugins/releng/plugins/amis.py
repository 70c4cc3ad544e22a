"""Amazon machine images."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from statscache.plugins import LatestPlugin, Message

TOPICS = {"org.fedoraproject.prod.fedimg.image.upload", "org.fedoraproject.prod.fedimg.image.test"}
LAUNCH = (
    "https://redirect.fedoraproject.org/console.aws.amazon.com/ec2/v2/home"
    "?region={region}#LaunchInstanceWizard:ami={ami}"
)


class Plugin(LatestPlugin):
    """Notes each image that is ready in a region."""

    name = "amis"
    summary = "The latest Amazon machine images"
    description = (
        "Which images of rawhide and of the branched release are ready in each region of Amazon EC2."
    )

    topics = re.compile(r"^org\.fedoraproject\.prod\.fedimg\.image\.")

    def process(self, message: Message) -> None:
        if message.topic not in TOPICS or message["msg"].get("status") != "completed":
            return
        msg = message["msg"]
        image, region = msg["image_name"], region_of(msg["destination"])
        state = {
            "name": image,
            "extra_text": msg["destination"],
            "extra_link": launch_link(msg.get("extra"), region),
            "status": "completed",
        }
        self.note(message, f"ami-{branch_of(image)}", f"{image}-{region}", state)


def region_of(destination: str) -> str:
    """Return the region in ``EC2 (region)``, ``EC2-region`` or a bare region."""
    if "(" in destination:
        return destination.split("(")[1].split(")")[0]
    return destination.removeprefix("EC2-")


def branch_of(image: str) -> str:
    """Return ``rawhide`` or ``branched``: the name's fourth word is the version, as in ``a-b-c-rawhide-d``."""
    words = image.split(".")[0].split("-")
    return "rawhide" if len(words) > 3 and words[3].lower() == "rawhide" else "branched"


def launch_link(extra: Any, region: str) -> str | None:
    """Return where the image can be launched in the console; None where the message has no image id."""
    ami = extra.get("id") if isinstance(extra, Mapping) else None
    return LAUNCH.format(region=region, ami=ami) if isinstance(ami, str) and ami else None
