"""What each transaction that counts asks before it writes, in one question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text

from statscache.database.arrays import array_of_numbers, array_of_texts
from statscache.database.lock import APART
from statscache.store.forgotten import LAST
from statscache.store.not_kept import BEFORE
from statscache.store.remade import OUTDATED
from statscache.store.revisions import check_known
from statscache.store.versions import MATTERS

STANDING = text(
    f"SELECT {MATTERS} AS matters, coalesce({BEFORE}, 0) AS before, "
    f"ARRAY(SELECT version_num FROM statscache_schema) AS revisions, ({LAST}) AS forgotten, "
    f"{OUTDATED} AS outdated"
)


@dataclass(frozen=True)
class Standing:
    """What is so until the end of a transaction that holds the lock, alone or shared.

    :param versions: the version of each plugin; none where it need not be noted what they count
    :param kept_from: the second since 1970 from which on all windows of all tables are kept
    :param forgotten: the number of the list of who is forgotten
    :param outdated: the plugins whose tables were made anew for another program than this
    """

    versions: Mapping[str, int]
    kept_from: int
    forgotten: int
    outdated: Sequence[str]


def ask(connection: Connection, versions: Mapping[str, int], remade: Mapping[str, int]) -> Standing:
    """Ask it.

    :param versions: the version of each plugin that runs
    :param remade: how often the table of each was made anew before this program looked at it; never if it says nothing
    :raises DatabaseNewer: if a later version has taken away the form of the tables that this program knows
    """
    answer = connection.execute(STANDING, parameters(versions, remade)).one()
    return standing_of(answer, versions, bool(connection.get_execution_options().get(APART)))


def parameters(versions: Mapping[str, int], remade: Mapping[str, int]) -> dict[str, str]:
    """Return the parameters of `STANDING`, as arrays."""
    return {
        "plugins": array_of_texts(versions) if versions else "{}",
        "versions": array_of_numbers(versions.values()),
        "times": array_of_numbers(remade.get(plugin, 0) for plugin in versions),
    }


def standing_of(answer: Sequence[Any], versions: Mapping[str, int], apart: bool = False) -> Standing:
    """Return what `STANDING` has answered.

    :param apart: whether nobody else sees what the transaction writes
    :raises DatabaseNewer: if a later version has taken away the form of the tables that this program knows
    """
    matters, before, revisions, forgotten, outdated = answer
    check_known(revisions)
    if apart:
        return Standing({}, before, forgotten, ())
    return Standing(versions if matters else {}, before, forgotten, outdated)
