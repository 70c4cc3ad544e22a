"""What is wrong with a daemon, in words."""

from __future__ import annotations

from collections.abc import Iterator

from statscache.query.condition import Condition
from statscache.render.language import Language

#: A daemon writes about once a second; longer than this, in seconds, and something is wrong.
SILENT = 60


def troubles_of(condition: Condition, language: Language) -> Iterator[str]:
    """Yield what is wrong with the daemon, a sentence each."""
    if condition.flushed is None:
        yield language.text("No daemon has written to this database yet.")
    elif condition.silence > SILENT:
        ago = language.ago(condition.silence)
        yield language.text("No daemon has written for {ago}: what is newer is missing here.", ago=ago)
    for plugin, reason in condition.suspended.items():
        yield language.text(
            "The plugin {plugin} is left alone for a while: {reason}", plugin=plugin, reason=reason
        )
    quarantined = sum(table.quarantined for table in condition.tables.values())
    if quarantined:
        yield language.many(
            "{count} message is in quarantine: a plugin could not count it.",
            "{count} messages are in quarantine: a plugin could not count them.",
            quarantined,
        )
