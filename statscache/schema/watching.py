"""Sees to it that what somebody removes from the tables of plugins is noted."""

from __future__ import annotations

import logging
from collections.abc import Collection

from sqlalchemy import Engine

from statscache.database.lock import counting
from statscache.hosting.loader import Part
from statscache.schema.relations import note_relations
from statscache.schema.removal_triggers import create_function, create_triggers, watched
from statscache.store.removals import fold

log = logging.getLogger(__name__)


def note_dropped(engine: Engine) -> None:
    """Note which tables of plugins are gone or are others than they were, as before missing ones are made anew."""
    with counting(engine, patient=True) as connection:
        note_relations(connection)


def watch(engine: Engine, parts: Collection[Part], before: Collection[str] = ()) -> list[str]:
    """Note what is gone from tables, and let them note what is removed from now on.

    :param parts: the plugins whose tables are meant
    :param before: what it returned the last time, which is not logged again
    :return: why some cannot note anything, a sentence for each
    """
    with counting(engine) as connection:
        present = note_relations(connection)
        fold(connection)
        create_function(connection)
        failures = create_triggers(connection, watched(parts), present)
    for failure in failures:
        if failure not in before:
            log.warning("%s", failure)
    return failures
