"""Whether what is shown is complete, in a sentence."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from statscache.query.missing import Missing, Reason
from statscache.query.series import Series
from statscache.render.language import Language
from statscache.render.versions import counted_sentence


def is_whole(series: Series) -> bool:
    """Return whether every period that is over is complete."""
    return all(
        whole or _unfinished(missing) for whole, missing in zip(series.complete, series.missing, strict=True)
    )


def _unfinished(missing: Sequence[Missing]) -> bool:
    return all(each.reason is Reason.UNFINISHED for each in missing)


def sentence(series: Series, language: Language) -> str:
    """Return how complete what is shown is, and by which versions it was counted, if that is worth saying."""
    told = _completeness(series, language), counted_sentence(series, language)
    return " ".join(filter(None, told))


def _completeness(series: Series, language: Language) -> str:
    """Return how complete the periods are that are over, and when what is complete was verified."""
    over = [
        its for its in zip(series.complete, series.missing, strict=True) if its[0] or not _unfinished(its[1])
    ]
    lacking = [missing for whole, missing in over if not whole]
    if not over:
        return language.text("Not over yet.")
    if not lacking:
        return _whole(series, language)
    return " ".join(filter(None, (_lacking(lacking, len(over), language), _checked(series, language))))


def _whole(series: Series, language: Language) -> str:
    if series.differed:
        return language.text(
            "Complete, but when it was compared on {day}, figures differed from the archive.",
            day=_day(series.differed, series, language),
        )
    verified = verified_on(series)
    if verified:
        return language.text("Complete; verified on {day}.", day=_day(verified, series, language))
    return language.text("Complete.")


def _lacking(lacking: Sequence[Sequence[Missing]], over: int, language: Language) -> str:
    quarantined = [sum(each.messages for each in missing) for missing in lacking if _is_quarantine(missing)]
    if len(quarantined) == len(lacking):
        return language.many(
            "Complete but for {count} message in quarantine.",
            "Complete but for {count} messages in quarantine.",
            sum(quarantined),
        )
    if all(_is_dropped(missing) for missing in lacking):
        return language.many(
            "Not complete: {count} of {all} periods is not kept any more.",
            "Not complete: {count} of {all} periods are not kept any more.",
            len(lacking),
            all=language.number(over),
        )
    return language.many(
        "Not complete: {count} of {all} periods lacks messages, or may lack some.",
        "Not complete: {count} of {all} periods lack messages, or may lack some.",
        len(lacking),
        all=language.number(over),
    )


def _checked(series: Series, language: Language) -> str:
    """Return what is known of the periods that are complete where others are not."""
    if series.differed:
        return language.text(
            "When the rest was compared on {day}, figures differed from the archive.",
            day=_day(series.differed, series, language),
        )
    verified = verified_on(series)
    if verified:
        return language.text("The rest was verified on {day}.", day=_day(verified, series, language))
    return ""


def verified_on(series: Series) -> datetime | None:
    """Return when all complete periods were last verified; None if some may never have been, or have changed since."""
    dates = [when for when, whole in zip(series.verified, series.complete, strict=False) if whole]
    known = [when for when in dates if when is not None]
    return min(known) if known and len(known) == len(dates) else None


def _day(when: datetime, series: Series, language: Language) -> str:
    return language.skeleton("yMMMd", int(when.timestamp()), series.frame.view.zone)


def _is_quarantine(missing: Sequence[Missing]) -> bool:
    return all(each.reason in (Reason.QUARANTINED, Reason.UNFINISHED) for each in missing)


def _is_dropped(missing: Sequence[Missing]) -> bool:
    return any(each.reason is Reason.NOT_KEPT for each in missing)


def labels(series: Series, language: Language) -> list[str]:
    """Return what each line is called."""
    names = []
    for line in series.lines:
        if line.rest:
            names.append(language.text("all others"))
        else:
            names.append(language.text("all") if line.key is None else language.key(line.key))
    return names
