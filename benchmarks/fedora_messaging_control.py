"""Another control of `queue`: takes messages with fedora-messaging's own consumer, and does nothing with them.

usage: python -m benchmarks.fedora_messaging_control URL QUEUE COUNT, where fedora-messaging is installed

It prints in how many seconds it got so many messages, from the first on.
"""

from __future__ import annotations

import sys
import time
from typing import Any

from fedora_messaging import api, config, exceptions


def main(url: str, queue: str, count: str) -> None:
    """Take so many messages."""
    times: list[float] = []

    def take(message: Any) -> None:
        times.append(time.monotonic())
        if len(times) == int(count):
            raise exceptions.HaltConsumer

    config.conf.load_config()
    config.conf["amqp_url"] = url
    quorum = {
        "durable": True,
        "auto_delete": False,
        "exclusive": False,
        "arguments": {"x-queue-type": "quorum"},
    }
    try:
        api.consume(take, queues={queue: quorum}, bindings=[])
    except exceptions.HaltConsumer:
        print(times[-1] - times[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
