"""As many counting plugins as wanted, for measuring what each more of them costs."""

from __future__ import annotations

import os
from datetime import timedelta

from benchmarks.variables import PLUGINS
from statscache.plugins import CountingPlugin, Message, Schedule, counting_model

MINUTE = timedelta(minutes=1)


def table(number: int) -> str:
    """Return the table of a plugin."""
    return f"growing_{number:03}"


def make(number: int) -> type[CountingPlugin]:
    """Make a plugin that counts every message by its category."""

    def process(self: CountingPlugin, message: Message) -> None:
        if message.category is not None:
            self.count(message, message.category)

    about = f"Messages of each category, per {Schedule(MINUTE)}, for the {number}th time"
    attributes = {
        "name": f"growing {number:03}",
        "summary": about,
        "description": about,
        "interval": MINUTE,
        "model": counting_model(table(number), about, category="the fourth part of the topic"),
        "process": process,
        "__module__": __name__,
    }
    return type(f"Growing{number}", (CountingPlugin,), attributes)


plugins = [make(number) for number in range(int(os.environ.get(PLUGINS, "0")))]
