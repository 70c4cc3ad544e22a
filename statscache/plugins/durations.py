"""Plugins that measure how long something takes: from the message that says it began to the one that says it ended."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import Boolean, Insert, Select, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from statscache.database.arrays import (
    array_of_numbers,
    array_of_texts,
    array_of_texts_or_nulls,
)
from statscache.database.round_trip import NOW
from statscache.errors import Unstorable
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins.duration_models import DurationModel
from statscache.plugins.duration_rows import apply_changes
from statscache.plugins.episodes import Episodes, Event
from statscache.plugins.in_windows import WindowPlugin, tables_of
from statscache.plugins.keyed import key_columns
from statscache.plugins.keys import check_key, check_keys, shortened
from statscache.plugins.schedule import Schedule
from statscache.plugins.upserts import given, given_instants, given_keys
from statscache.plugins.windows import changing

#: The longest time after which a plugin may give up, ten years: so far the buckets are known to be exact.
LONGEST = timedelta(days=3652)
#: The longest id in bytes of UTF-8, which is in a primary key together with the id of a message.
LONGEST_ID = 1800


class DurationPlugin(WindowPlugin):
    """A plugin whose `process` calls `began` and `ended`. Its `model` comes from `duration_model`.

    Its `interval` and its `give_up` are set. It needs no `update` of its own.

    The events of an id are in order of their whole second, begins before ends, then the messages' ids. Each end has
    one result, in its window: the whole seconds since its begin, which is the earliest begin after the end before it
    that is at most `give_up` older. If there is none, the end counts as without a begin. Other begins change nothing.

    The result depends on the events alone, whatever the order in which they come: one that arrives later takes back
    what it changes. It depends on no event that is more than `give_up` older than the end, so a window is complete
    when the time from its start less `give_up` to its end is.

    :raises TypeError: if `give_up` is not a timedelta
    :raises ValueError: if it is not a positive whole number of seconds, of at most ten years, or there is no schedule
    """

    #: How long after its begin something may end. What has not ended then is given up.
    give_up: ClassVar[timedelta]

    def __init__(self, schedule: Schedule | None, config: Mapping[str, Any], model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self.reach = _checked(getattr(self, "give_up", None), self.name)

    def began(self, message: Message, id: str, *keys: str | None) -> None:
        """Note that something began. For `process`.

        :param id: what tells it from all others, of at most 1,800 bytes of UTF-8. Of several begins of one id by one
            message the first is taken, and so of its ends
        :param keys: as many as the model has key columns, in their order; None for one that is not known yet. They
            only describe what has not ended
        :raises TypeError: if there are too few keys or too many
        :raises Unstorable: if the id or a key is not a text that PostgreSQL can keep in a primary key
        """
        self._note(message, "began", id, keys)

    def ended(self, message: Message, id: str, *keys: str) -> None:
        """Note that something ended: its duration counts under these keys. For `process`.

        :param id: that of its begin
        :param keys: as many as the model has key columns, in their order
        :raises TypeError: if there are too few keys or too many
        :raises Unstorable: if the id or a key is not a text that PostgreSQL can keep in a primary key
        """
        self._note(message, "ended", id, keys)

    def _note(self, message: Message, method: str, id: str, keys: Sequence[Any]) -> None:
        if len(keys) != self._width:
            self._check_width(method, keys)
        ends = method == "ended"
        check_keys(keys if ends else (key for key in keys if key is not None))
        check_key(id)
        if len(id.encode()) > LONGEST_ID:
            raise Unstorable(f"an id may have at most {LONGEST_ID} bytes, and {shortened(id)} has more")
        self.queue.items.append((id, message.second, ends, message.id, *keys))

    def renamed(self, items: list[Any], pseudonyms: Pseudonyms) -> list[Any]:
        """Return events without the names of people who are forgotten."""
        return [
            (pseudonyms.within(id), *event, *self._renamed_keys(keys, pseudonyms))
            for id, *event, keys in ((its[0], *its[1:4], its[4:]) for its in items)
        ]

    def update(self, session: Session) -> None:
        """Write the events that are new, and what they change of the windows."""
        events: dict[Event, Event] = {}
        for event in self.queue.drain():
            events.setdefault(event[:4], event)
        if events:
            _add(session, self.episodes, events)

    @property
    def episodes(self) -> Episodes:
        """How its events become windows.

        :raises TypeError: if its model does not come from `duration_model`
        """
        if not (isinstance(self.model, type) and issubclass(self.model, DurationModel) and self.model.beside):
            raise TypeError(
                f"the plugin {self.name!r} measures durations: make its model with duration_model"
            )
        table, events = tables_of(self.model)
        keys, give_up = tuple(key_columns(self.model)), self.reach // timedelta(seconds=1)
        return Episodes(table, events, keys, give_up, self._seconds, self._offset)


def _checked(give_up: Any, name: str) -> timedelta:
    if not isinstance(give_up, timedelta):
        raise TypeError(f"the plugin {name!r} measures durations: give its class a timedelta as give_up")
    if not timedelta(0) < give_up <= LONGEST or give_up.microseconds:
        raise ValueError(
            f"give_up of the plugin {name!r} must be a positive whole number of seconds, of at most ten years, and is "
            f"{give_up}"
        )
    return give_up


def _add(session: Session, episodes: Episodes, events: Mapping[Event, Event]) -> None:
    """Add events, but for those that are there. Nobody else may write any meanwhile.

    :param events: each by its primary key
    """
    known = session.execute(_around(episodes), _arrays(events), execution_options=NOW).all()
    there = {tuple(event[:4]) for event in known}
    new = [event for key, event in events.items() if key not in there]
    if new:
        options = changing([event[1] for event in new], rows=len(new))
        session.execute(_insertion(episodes), _arrays(new, with_keys=True), execution_options=options)
        apply_changes(session, episodes, episodes.changes(_by_id(known, new)))


def _by_id(known: Iterable[Event], new: Iterable[Event]) -> Iterable[tuple[list[Event], list[Event]]]:
    """Return the events of each id as they were, and as they are with those that are new."""
    ids: defaultdict[str, tuple[list[Event], list[Event]]] = defaultdict(lambda: ([], []))
    for event in known:
        for events in ids[event[0]]:
            events.append(event)
    for event in new:
        ids[event[0]][1].append(event)
    return ids.values()


def _arrays(events: Iterable[Event], with_keys: bool = False) -> dict[str, str]:
    """Return events as an array for each column."""
    ids, seconds, ends, msg_ids, *keys = zip(*events, strict=True)
    arrays = {"id": array_of_texts(ids), "second": array_of_numbers(seconds)}
    if not with_keys:
        return arrays
    arrays |= {"ends": array_of_numbers(ends), "msg_id": array_of_texts(msg_ids)}
    return arrays | {f"keys_{place}": array_of_texts_or_nulls(texts) for place, texts in enumerate(keys)}


@lru_cache(1024)
def _around(episodes: Episodes) -> Select[Any]:
    """Return what selects the events that matter for others, given the ids and seconds of these as arrays."""
    touched = select(given("id", Text), given_instants("second", "timestamp")).subquery("given")
    return select(*episodes.selected(episodes.around(touched).subquery("around")))


@lru_cache(1024)
def _insertion(episodes: Episodes) -> Insert:
    """Return what inserts events, given an array for each column."""
    own = [
        given("id", Text),
        given_instants("second", "timestamp"),
        given("ends", Boolean),
        given("msg_id", Text),
    ]
    rows: Select[Any] = select(*own, *given_keys(episodes.keys))
    return insert(episodes.events).from_select(list(episodes.columns), rows, include_defaults=False)
