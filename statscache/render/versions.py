"""By which versions of a plugin figures were counted, in words."""

from __future__ import annotations

from collections.abc import Sequence

from statscache.query.series import Series
from statscache.render.language import Language


def are_worth_saying(series: Series) -> bool:
    """Return whether any period was counted by another version than that which is installed."""
    return bool({*series.all_versions} - {series.frame.table.plugin.version})


def counted(versions: Sequence[int], language: Language) -> str:
    """Return by which versions something was counted; empty where nobody knows."""
    if not versions:
        return ""
    if len(versions) == 1:
        return language.text("counted by version {version}", version=versions[0])
    return language.text("counted by versions {versions}", versions=language.listed(map(str, versions)))


def counted_sentence(series: Series, language: Language) -> str:
    """Return by which versions what is shown was counted, if that is worth saying; else nothing."""
    return in_a_sentence(series.all_versions, language) if are_worth_saying(series) else ""


def in_a_sentence(versions: Sequence[int], language: Language) -> str:
    """Return by which versions something was counted, of which there are some."""
    if len(versions) == 1:
        return language.text("Counted by version {version} of the plugin.", version=versions[0])
    told = language.listed(map(str, versions))
    return language.text("Counted by versions {versions} of the plugin.", versions=told)
