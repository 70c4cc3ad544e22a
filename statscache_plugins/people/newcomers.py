"""Who did something for the first time, and where."""

from __future__ import annotations

from statscache.plugins import FirstSeenPlugin, Message, first_seen_model


class Plugin(FirstSeenPlugin):
    """Keeps when each person did something in each category for the first time, and for the last."""

    name = "newcomers"
    summary = "Who did something for the first time"
    description = (
        "When each person did something in each category for the first time ever, and for the last: who is new, and "
        "who has gone."
    )
    model = first_seen_model(
        "data_newcomer",
        "When each person did something in each category for the first time, and for the last",
        person="agent",
        agent="the account of who did it",
        category="the fourth part of the topic, such as bodhi, or the third of a VirtualTopic",
    )

    def process(self, message: Message) -> None:
        if message.category is not None and message.agent is not None:
            self.seen(message, message.agent, message.category)
