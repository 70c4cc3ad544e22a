"""Up to when everything that was sent into our queues has come, and how much has not.

Where we may publish, a marker of ours that is back shows that all before it has come, unless others consume the queue,
too, who may have got some of it: that is looked at afterwards. Elsewhere the queues are ours alone, and two looks in a
row that find them empty, with our consumer in them, show what had come at the first.

Of a queue that gives one consumer everything, we may not be that one, but stand by until it goes. A queue is asked for
on the channel that consumes it: if it is gone, its consumer is, too, and all begins anew anyway.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import ensureDeferred

from statscache.bus.amqp.connection import Channels
from statscache.bus.amqp.markers import Marker, Markers
from statscache.bus.amqp.marks import Marks
from statscache.bus.amqp.turns import Turns
from statscache.bus.watermark import Watermark
from statscache.process.clocks import Reading

log = logging.getLogger(__name__)

#: So many markers at most are under way.
MANY = 600
#: A queue that was not asked for in so many seconds, as its markers are long in coming, is asked for how many wait.
ASK_S = 5.0


class Hearing:
    """Sends markers into the queues, and reports to the watermark. For the reactor's thread alone.

    :param queues: their configured names
    :param broker: which broker it is, for people
    :param marks: of the queues; None where they keep nothing for us
    """

    def __init__(self, queues: Iterable[str], broker: str, marks: Marks | None = None) -> None:
        #: What each queue is called for people, by its configured name.
        self.names = {queue: f"{queue or 'a queue without a name'} of {broker}" for queue in queues}
        #: How many messages wait in each queue, by what it is called for people, as far as that is known. It is
        #: replaced and never changed, for other threads look at it.
        self.waiting: Mapping[str, int] = {}
        self._channels: Channels | None = None
        self._markers: dict[str, Markers] = {}
        self._heard: dict[str, Reading] = {}
        self._asked: dict[str, float] = {}
        self._marks = marks
        self._turns = Turns()
        self._asks = self._asks_turns = False
        # What the last markers show that are back, if we are alone: when they were sent, and the end of the spool.
        self._shown: tuple[Reading, int] | None = None
        self._is_alone = True

    def start(self, watermark: Watermark) -> None:
        """Begin to report."""
        self._watermark = watermark
        watermark.expect(self.names.values())

    def opened(self, channels: Channels) -> None:
        """Note that the queues are consumed."""
        self._channels = channels
        self._markers = {queue: Markers() for queue in self.names}
        self._heard.clear()
        self._asked.clear()
        self._turns.begin(channels.in_turn)
        self._shown = None
        for name in self.names.values():
            log.info("connected to %s", name)
            self._watermark.connected(name, channels.kept)
        since = self._marks.take_since() if self._marks else None
        if channels.kept and since is not None and not channels.in_turn:
            self._watermark.resume(since)
        if channels.publishing is None:
            log.info("the broker does not let us publish: a queue counts as heard while it is empty")

    def closed(self) -> None:
        """Note that they are not."""
        # Where others may take a queue over meanwhile, what they have got is not kept for us.
        keys = self._marks.keys if self._marks and self._channels and not self._channels.in_turn else {}
        self._channels = None
        self.waiting = {}
        for name in self.names.values():
            self._watermark.disconnected(name, bool(keys))

    def came(self, queue: str) -> None:
        """Note that anything has come from a queue, before it is looked at what."""
        if not self._turns.came(queue):
            return
        self._markers[queue] = Markers()
        self._heard.pop(queue, None)
        if queue in self._turns.standby:
            self._turns.standby.discard(queue)
            log.warning("takes over %s: the daemon that consumed it is gone", self.names[queue])
            self._watermark.take_over(self.names[queue])
        else:
            self._watermark.renew()

    def tick(self, position: int, idle: bool = False) -> None:
        """Send a marker into each queue, or look whether they are empty. To be called every second.

        :param position: the spool's end
        :param idle: whether all that has come is acknowledged
        """
        if self._channels is not None and self._channels.publishing is None:
            if not self._asks:
                self._asks = True
                ensureDeferred(self._look(self._channels, position))
            return
        self._watermark.checked(False, position)
        if self._channels is not None:
            if not self._asks_turns and (doubtful := self._turns.doubtful(idle)):
                self._asks_turns = True
                ensureDeferred(self._see_whose_turn(self._channels, doubtful))
            self._send(self._channels)
            if self._due():
                self._ask(self._channels)

    def _send(self, channels: Channels) -> None:
        for queue in self._markers:
            if self._turns.waits(queue):
                self._markers[queue] = Markers()  # those of before have gone to another, or will
            if (markers := self._markers[queue]).underway < MANY:
                properties = markers.next(self._watermark.clocks.read())
                publish = channels.publishing.basic_publish  # type: ignore[union-attr]
                sent = publish("", channels.queues[queue], b"", properties=properties)
                sent.addCallbacks(partial(self._sent, queue, markers, markers.number), self._unsent)

    def _sent(self, queue: str, markers: Markers, number: int, confirmed: Any) -> None:
        """Note that a marker is in its queue."""
        markers.taken(number)
        self._turns.sent(queue)

    def _unsent(self, failure: Any) -> None:
        """Do nothing of a marker that is not confirmed: it does not come back, and so says nothing."""

    def back(self, queue: str, marker: Marker, settle: Callable[[], int | None]) -> None:
        """Note that a marker has come.

        :param settle: gives the end of the spool, once all that came before the marker lies in it; None if not all does
        """
        if not self._markers[queue].is_ours(marker):
            return
        sent, whole = self._markers[queue].back(marker)
        if not whole:
            log.warning("markers of %s are missing, and so may be messages", self.names[queue])
            self._watermark.renew()
        self._heard[queue] = sent
        if len(self._heard) == len(self.names):
            earliest = min(self._heard.values(), key=lambda reading: reading.monotonic)
            position = settle()
            self._shown = None if position is None else (earliest, position)
            if self._shown and self._channels is not None:
                self._ask(self._channels)

    def _due(self) -> list[str]:
        """Return the queues of which it was long not asked how many messages wait."""
        since = self._watermark.clocks.monotonic() - ASK_S
        return [queue for queue in self.names if self._asked.get(queue, since) <= since]

    def _ask(self, channels: Channels) -> None:
        """Ask the broker, unless that is being done."""
        if not self._asks:
            self._asks = True
            ensureDeferred(self._see_who_consumes(channels))

    async def _see_who_consumes(self, channels: Channels) -> None:
        """Report what markers show once it is known that nobody else has got what came before them."""
        try:
            await self._answers(channels, self._due())
            while self._shown is not None:
                shown, self._shown = self._shown, None
                answers = await self._answers(
                    channels, [queue for queue in self.names if queue not in channels.in_turn]
                )
                if channels is self._channels:
                    self._report([answer.consumer_count for answer in answers], *shown)
        except Exception:  # noqa: BLE001  the connection is lost, which says so itself
            return
        finally:
            self._asks = False

    async def _answers(self, channels: Channels, queues: Iterable[str]) -> list[Any]:
        """Return what the broker says of queues, and keep how many messages wait in them."""
        answers = []
        for queue in queues:
            answer = (await channels.consuming.queue_declare(channels.queues[queue], passive=True)).method
            answers.append(answer)
            if channels is self._channels:
                waiting = max(answer.message_count - self._markers[queue].queued, 0)
                self.waiting = {**self.waiting, self.names[queue]: waiting}
                self._asked[queue] = self._watermark.clocks.monotonic()
        return answers

    def _report(self, consumers: Sequence[int], sent: Reading, position: int) -> None:
        others = any(number > 1 for number in consumers)
        if others:
            self._watermark.renew()
            if self._is_alone:
                log.warning(
                    "others consume our queues, too, and no time is covered while they do: "
                    "a queue is for one daemon"
                )
        elif all(number == 1 for number in consumers):
            self._watermark.heard(sent, position)
        self._is_alone = not others

    async def _see_whose_turn(self, channels: Channels, doubtful: Mapping[str, int]) -> None:
        """Stand by for the queues out of which others have taken markers.

        A quorum queue of this kind says that it has one consumer, however many there are.
        """
        try:
            for queue, markers in doubtful.items():
                asked = await channels.consuming.queue_declare(channels.queues[queue], passive=True)
                consumers, waiting = asked.method.consumer_count, asked.method.message_count
                taken = consumers > 1 or (consumers == 1 and waiting < markers)
                if taken and channels is self._channels and queue in self._turns.doubtful(idle=True):
                    self._stand_by(queue)
        except Exception:  # noqa: BLE001  the connection is lost, which says so itself
            return
        finally:
            self._asks_turns = False

    def _stand_by(self, queue: str) -> None:
        log.info("standby: another daemon consumes %s", self.names[queue])
        self._turns.stand_by(queue)
        self._watermark.stand_by(self.names[queue])

    def give_way(self) -> bool:
        """Return whether to leave all queues to another daemon, which has some of them. To be called every second."""
        if gives := self._turns.give_way(self._watermark.clocks.monotonic()):
            log.info("another daemon consumes some of our queues, and is left the others, too")
        return gives

    async def _look(self, channels: Channels, position: int) -> None:
        """Ask whether the queues are empty."""
        try:
            answers = await self._answers(channels, self.names)
        except Exception:  # noqa: BLE001  the connection is lost, which says so itself
            return
        finally:
            self._asks = False
        empty = all(answer.message_count == 0 and answer.consumer_count == 1 for answer in answers)
        self._watermark.checked(empty, position)
