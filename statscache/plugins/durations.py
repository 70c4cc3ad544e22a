"""Plugins that measure how long something takes: from the message that says it began to the one that says it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from functools import lru_cache
from typing import Any, ClassVar

from sqlalchemy import (
    Boolean,
    FromClause,
    Insert,
    Select,
    Text,
    and_,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from statscache.database.arrays import (
    array_of_numbers,
    array_of_texts,
    array_of_texts_or_nulls,
)
from statscache.errors import Unstorable
from statscache.messages.message import Message
from statscache.plugins.duration_models import DurationModel
from statscache.plugins.duration_rows import apply_changes
from statscache.plugins.episodes import EVENT, Episodes, second_of
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
#: What an event is, in the queue: its second, id, whether it ends, the message's id, and the keys.
Event = tuple[Any, ...]


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
        self.queue.items.append((message.second, id, ends, message.id, *keys))

    def update(self, session: Session) -> None:
        """Write the events that are new, and what they change of the windows."""
        events = self.queue.drain()
        if events:
            episodes = self.episodes
            new = _inserted(session, episodes, events)
            if new:
                apply_changes(session, episodes, session.execute(_changes(episodes), new).all())

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


def _inserted(session: Session, episodes: Episodes, events: Iterable[Event]) -> dict[str, str]:
    """Insert events, and return those that were not there, as an array for each column of their primary key."""
    seconds, ids, ends, msg_ids, *keys = zip(*events, strict=True)
    arrays = _arrays(ids, seconds, ends, msg_ids)
    arrays |= {f"keys_{place}": array_of_texts_or_nulls(texts) for place, texts in enumerate(keys)}
    options = changing(seconds, rows=len(ids), surely=False)
    new = session.execute(_insertion(episodes), arrays, execution_options=options).all()
    return _arrays(*zip(*new, strict=True)) if new else {}


def _arrays(ids: Any, seconds: Any, ends: Any, msg_ids: Any) -> dict[str, str]:
    """Return events as an array for each column of their primary key."""
    return {
        "id": array_of_texts(ids),
        "second": array_of_numbers(seconds),
        "ends": array_of_numbers(ends),
        "msg_id": array_of_texts(msg_ids),
    }


def _given() -> list[Any]:
    """Return what `_arrays` gives as columns."""
    return [
        given("id", Text),
        given_instants("second", "timestamp"),
        given("ends", Boolean),
        given("msg_id", Text),
    ]


@lru_cache(1024)
def _insertion(episodes: Episodes) -> Insert:
    """Return what inserts events that are not there, and returns their primary keys."""
    events = episodes.events.c
    rows: Select[Any] = select(*_given(), *given_keys(episodes.keys))
    statement = insert(episodes.events).from_select(list(episodes.columns), rows, include_defaults=False)
    return statement.on_conflict_do_nothing().returning(
        events.id, second_of(events.timestamp), events.ends, events.msg_id
    )


@lru_cache(1024)
def _changes(episodes: Episodes) -> Select[Any]:
    """Return what selects what events change that have been inserted, given their primary keys as arrays."""
    new = select(*_given()).cte("given")
    after = around(episodes, episodes.events, new).cte("after")
    inserted = select(1).where(*(after.c[name] == new.c[name] for name in EVENT)).exists()
    return episodes.difference(select(*after.c).where(~inserted).subquery("before"), after)


def around(episodes: Episodes, events: FromClause, touched: FromClause) -> Select[Any]:
    """Return what selects the events on which the ends depend that some events can change.

    :param touched: these, with columns `id` and `timestamp`
    """
    first, last = (make(touched.c.timestamp) for make in (func.min, func.max))
    times = select(touched.c.id, first.label("first"), last.label("last")).group_by(touched.c.id).subquery()
    near = events.c.timestamp.between(times.c.first - episodes.reach, times.c.last + episodes.reach)
    columns = [events.c[name] for name in episodes.columns]
    return select(*columns).join_from(events, times, and_(events.c.id == times.c.id, near))
