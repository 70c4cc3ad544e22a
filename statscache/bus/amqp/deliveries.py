"""Which deliveries are to be acknowledged once the spool is committed up to which position.

A delivery is known by its tag, which means something only on the channel that it came by. So a channel that ends
forgets its tags, and the broker delivers the same messages again; those that lie in the spool meanwhile are not
spooled again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

#: So many ids at most are kept of what was not acknowledged; what comes again without is spooled again, and the ledger
#: knows it.
MOST = 1 << 17


@dataclass(frozen=True)
class Settled:
    """Deliveries whose messages lie in the spool before a position, or are not to be kept.

    :param tag: of the last of them; all before it are as settled
    :param ids: the ids of those messages
    :param channel: which of the channels they came by, counted from the first
    """

    position: int
    tag: int
    ids: Sequence[str]
    channel: int


class Deliveries:
    """Keeps account of what was delivered and not yet acknowledged. For the reactor's thread alone."""

    def __init__(self) -> None:
        self._channel = 0
        self._tag = 0
        self._acknowledged = 0
        self._ids: list[str] = []
        self._settled: deque[Settled] = deque()
        # The ids of what lies in the spool, or did, and is not acknowledged: the oldest first.
        self._spooled: dict[str, None] = {}

    def begin(self) -> None:
        """Note that from now on deliveries come by another channel."""
        self._channel += 1
        self._tag = self._acknowledged = 0
        self._ids = []
        if self._settled:  # of what came by other channels only matters until when some is not committed
            self._settled = deque([replace(self._settled[-1], ids=())])

    def is_spooled(self, id: str | None) -> bool:
        """Return whether the message of that id was spooled, and could not yet be acknowledged."""
        return id in self._spooled

    def came(self, tag: int, id: str | None = None) -> None:
        """Note a delivery.

        :param id: of its message, if that is spooled and has one
        """
        self._tag = tag
        if id is not None:
            self._ids.append(id)

    def settle(self, position: int) -> None:
        """Note that all messages that came until now lie in the spool before a position, but those not kept."""
        if (
            self._settled
            and self._settled[-1].tag == self._tag
            and self._settled[-1].channel == self._channel
        ):
            return
        self._note(self._ids, position)

    def end(self, position: int) -> None:
        """Note that nothing more can be acknowledged that came by this channel, all of which lies in the spool.

        :param position: before which it lies
        """
        self._note(self._ids, position)
        self.begin()

    def end_before(self, id: str | None, position: int) -> None:
        """Note that nothing more can be acknowledged that came by this channel, as a message found no room.

        Of what came since the last was settled, what came before that message lies in the spool.

        :param id: of the message; where it has none, none of those is taken to lie there: the ledger knows them
        :param position: before which all lies in the spool that is in it
        """
        ids = self._ids[: self._ids.index(id)] if id in self._ids else []
        self._note(ids, position)
        self.begin()

    def committed(self, position: int) -> int | None:
        """Return the tag up to which all can be acknowledged, as the spool is committed up to a position.

        :return: None if that is nothing new
        """
        tag = self._acknowledged
        while self._settled and self._settled[0].position <= position:
            done = self._settled.popleft()
            if done.channel == self._channel:
                tag = done.tag
                for id in done.ids:
                    self._spooled.pop(id, None)
        if tag == self._acknowledged:
            return None
        self._acknowledged = tag
        return tag

    def _note(self, ids: Sequence[str], position: int) -> None:
        self._settled.append(Settled(position, self._tag, ids, self._channel))
        self._spooled.update(dict.fromkeys(ids))
        while len(self._spooled) > MOST:
            del self._spooled[next(iter(self._spooled))]
        self._ids = []

    @property
    def underway(self) -> bool:
        """Whether anything that came lies in the spool and is not committed."""
        return bool(self._settled)

    @property
    def waiting(self) -> int:
        """How many deliveries of this channel are not acknowledged."""
        return self._tag - self._acknowledged
