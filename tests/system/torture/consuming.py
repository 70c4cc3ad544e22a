"""Runs `statscache consume` as tests.system.torture.launcher runs a hub.

usage: python -m tests.system.torture.consuming
"""

from __future__ import annotations

import sys

from tests.system.torture import launcher

STEPS = {
    "tell": ("bus.amqp.bus", "AmqpBus", "committed"),
    "acknowledge": ("bus.amqp.bus", "AmqpBus", "_acknowledge"),
    "ack": ("bus.amqp.connection", "TwistedChannel", "basic_ack"),
    "open": ("bus.amqp.bus", "AmqpBus", "opened"),
    "marker": ("bus.amqp.hearing", "Hearing", "back"),
}
HASTE = {
    "bus.amqp.bus": {"REST_S": 1.0, "LAST_REST_S": 4.0},
    "bus.amqp.connection": {"FIRST_S": 0.2, "LAST_S": 2.0},
}


def main() -> None:
    """Run the daemon."""
    import statscache.amqp
    from statscache.cli import main as statscache

    launcher.STEPS.update(STEPS)
    launcher.HASTE.update(HASTE)
    launcher.prepare()
    sys.argv = ["statscache", "consume"]
    statscache()


if __name__ == "__main__":
    main()
