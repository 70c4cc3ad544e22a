"""Why figures are not complete, in words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from statscache.query.frame import Change
from statscache.query.missing import Missing, Reason
from statscache.render.language import Language
from statscache.render.svg import shown

#: The reasons of which the first that a period has is shown by its hatching.
SHOWN = (
    Reason.LOST,
    Reason.REMOVED,
    Reason.QUARANTINED,
    Reason.NOT_KEPT,
    Reason.UNFINISHED,
    Reason.UNCOUNTED,
    Reason.BEFORE,
)


def told(missing: Iterable[Missing], language: Language) -> str:
    """Return why a period is not complete, in one line."""
    return "; ".join(_told(each, language) for each in missing)


def _told(missing: Missing, language: Language) -> str:
    count = missing.messages
    if missing.reason is Reason.LOST:
        lost = language.many("{count} message lost", "{count} messages lost", count)
        return f"{lost}: {shown(missing.detail, 200)}" if missing.detail else lost
    if missing.reason is Reason.QUARANTINED:
        return language.many("{count} message in quarantine", "{count} messages in quarantine", count)
    if missing.reason is Reason.REMOVED:
        return language.text("rows were removed by hand")
    if missing.reason is Reason.NOT_KEPT:
        return language.text("not kept any more")
    if missing.reason is Reason.UNFINISHED:
        return language.text("not over yet")
    if missing.reason is Reason.BEFORE:
        return language.text("some of the time before is not counted")
    return language.text("not counted")


def kind_of(missing: Sequence[Missing]) -> Reason | None:
    """Return the reason that the hatching of a period shows, None if it is complete."""
    reasons = [each.reason for each in missing]
    return next((reason for reason in SHOWN if reason in reasons), None)


def changed(change: Change, language: Language) -> str:
    """Return what is shown otherwise than was asked for."""
    if change is Change.COARSER:
        return language.text("The step asked for would make too many points, so that a coarser one is shown.")
    return language.text("This statistic is counted in windows of UTC, so that its periods are in UTC.")
