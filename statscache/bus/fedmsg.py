"""The hub's sockets, and whether they hear everything. All of this is for the reactor's thread.

One timer looks after all of it. Nothing is gained by waking up for every event of a connection, as what counts is
that a lost one is known before the next check is noted; and a timer cannot miss the edge of ZeroMQ's descriptors.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import zmq
from twisted.internet import reactor
from twisted.internet.task import LoopingCall

from statscache.bus.interface import BOUND, FEDMSG
from statscache.bus.looks import APART
from statscache.bus.reactor import steady
from statscache.bus.watermark import Watermark

log = logging.getLogger(__name__)

#: How often in seconds the sockets are looked at; a bit more than APART, so that two looks in a row are enough.
EVERY = APART + 0.1
#: After so many seconds without a connection there is a warning.
PATIENCE = 10.0
#: A peer that is gone without a word is noticed after 90 seconds.
KEEPALIVE = {
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 60,
    zmq.TCP_KEEPALIVE_INTVL: 10,
    zmq.TCP_KEEPALIVE_CNT: 3,
}
CONNECTED = zmq.EVENT_HANDSHAKE_SUCCEEDED if zmq.zmq_version_info() >= (4, 3) else zmq.EVENT_CONNECTED


class WatchedSocket:
    """One of the hub's sockets, and the events of its connections.

    :param connection: txZMQ's connection, which may have several endpoints and counts as connected with all of them
    """

    def __init__(self, name: str, connection: Any) -> None:
        self.name = name
        self._connection = connection
        self._monitor: zmq.Socket[bytes] = connection.factory.context.socket(zmq.PAIR)
        self._connected: set[bytes] = set()

    def attach(self, keepalive: bool) -> None:
        """Watch the socket from now on, and connect it anew, since what has happened until now is not known.

        Its subscriptions stay. What it has received and nobody has read is lost, so this is to be done at once.
        """
        socket, endpoints = self._connection.socket, self._connection.endpoints
        for endpoint in endpoints:
            socket.disconnect(endpoint.address)
        address = f"inproc://statscache-{socket.FD}"
        socket.monitor(address, CONNECTED | zmq.EVENT_DISCONNECTED)
        self._monitor.rcvhwm = 0  # at a limit ZeroMQ would wait for us, with all of its sockets
        self._monitor.connect(address)
        for option, value in KEEPALIVE.items() if keepalive else ():
            socket.set(option, value)
        for endpoint in endpoints:
            socket.connect(endpoint.address)

    def events(self) -> Iterator[bool]:
        """Yield whether it is connected, after each event since the last call."""
        while self._monitor.poll(0):
            event, address = self._monitor.recv_multipart()
            if address in self._connected:
                self._connected.remove(address)  # also if it connects, which then is another connection
                yield False
            if struct.unpack_from("=H", event)[0] == CONNECTED:
                # Events name the address that a host's name stands for, so the endpoints can only be counted.
                self._connected.add(address)
                yield len(self._connected) == len(self._connection.endpoints)

    def is_empty(self) -> bool:
        """Return whether there is nothing to read. Otherwise it will be read, as to ask takes the reactor's cue."""
        socket = self._connection.socket
        if socket is None:
            return False
        if socket.get(zmq.EVENTS) & zmq.POLLIN:
            reactor.callLater(0, self._connection.doRead)
            return False
        return True

    def detach(self) -> None:
        """Watch it no more."""
        if self._connection.socket is not None:
            self._connection.socket.monitor(None, 0)  # first, as ZeroMQ waits for one who reads its events
        self._monitor.close(linger=0)


class BusMonitor:
    """Reports to the watermark which of the hub's endpoints are connected, and when all that has arrived was taken.

    :param names: all endpoints, also those that got no socket
    :param lines: the sockets
    """

    def __init__(self, names: Sequence[str], lines: Sequence[WatchedSocket]) -> None:
        self._names = names
        self._lines = lines
        self._warned: set[str] = set()
        self._timer = LoopingCall(self.check)

    def start(self, watermark: Watermark, position: Callable[[], int]) -> None:
        """Begin to report to the watermark.

        :param position: gives the end of the spool
        """
        self._watermark = watermark
        self._position = position
        watermark.expect(self._names)
        self._timer.start(EVERY).addErrback(self._fail)

    def stop(self) -> None:
        """Stop reporting and let go of the sockets. Call it before they are closed."""
        if self._timer.running:
            self._timer.stop()
        for line in self._lines:
            line.detach()
        self._lines = []

    def check(self) -> None:
        """Look at all sockets: first at their connections, then at whether something waits to be read."""
        for line in self._lines:
            for connected in line.events():
                self._note(line.name, connected)
        empty = [line.is_empty() for line in self._lines]
        self._watermark.checked(all(empty), self._position())
        self._warn()

    def _note(self, name: str, connected: bool) -> None:
        if not connected:
            log.info("lost the connection to %s", name)
            self._watermark.disconnected(name)
            return
        log.info("connected to %s", name)
        self._watermark.connected(name)
        self._warned.discard(name)

    def _warn(self) -> None:
        now = self._watermark.clocks.monotonic()
        missing = self._watermark.missing.items()
        late = [name for name, since in missing if now - since > PATIENCE and name not in self._warned]
        if late:
            log.warning(
                "no connection to %s: no time is covered until all endpoints are connected", ", ".join(late)
            )
            self._warned.update(late)

    def _fail(self, failure: Any) -> None:
        log.critical(
            "watching the bus has failed, and no time is covered until a restart: %s",
            failure.getTraceback(),
        )


class FedmsgBus:
    """The bus as fedmsg's hub hears it.

    :param monitor: watches the hub's sockets
    """

    def __init__(self, hub: Any, monitor: BusMonitor) -> None:
        self._hub = hub
        self._monitor = monitor

    def start(self, watermark: Watermark, position: Callable[[], int]) -> None:
        """Begin to report to the watermark up to when everything was heard."""
        self._monitor.start(watermark, position)

    def later(self, call: Callable[[], object]) -> object:
        """Have a function called once the reactor has read what there is to be read."""
        return reactor.callLater(0, call)

    def call(self, call: Callable[[], object]) -> object:
        """Have a function called on the reactor's thread. From any thread."""
        return reactor.callFromThread(call)

    name = FEDMSG
    queues = ()
    kept: None = None
    #: What finds no room in the spool is lost: nobody keeps it.
    no_room: None = None
    #: Nothing waits but here.
    waiting: Mapping[str, int] = {}

    def committed(self, position: int) -> None:
        """Do nothing, as nobody waits for it."""

    def drain(self) -> None:
        """Read what has arrived already."""
        for connection in self._connections():
            connection.doRead()

    def stop(self) -> None:
        """Receive nothing more."""
        self._monitor.stop()
        for connection in self._connections():
            connection.shutdown()

    def end(self) -> None:
        """End the hub and the reactor."""
        self._hub.stop()
        reactor.stop()

    def _connections(self) -> list[Any]:
        """Return the hub's open connections."""
        sockets = [getattr(extension, "subscriber_factories", {}) for extension in self._hub.extensions]
        return [connection for found in sockets for connection in found.values() if connection.factory]


def attach(hub: Any) -> FedmsgBus:
    """Return the hub's bus, which is listened to from now on."""
    steady(reactor)
    return FedmsgBus(hub, watch(hub))


def watch(hub: Any) -> BusMonitor:
    """Return a monitor of the hub's sockets, which from now on are watched and whose connections are kept alive."""
    keepalive = not hub.config.get("zmq_tcp_keepalive")
    names, lines = [], []
    for extension in hub.extensions:
        factories = getattr(extension, "subscriber_factories", {})
        for endpoint in dict.fromkeys(getattr(extension, "sub_endpoints", ())):
            names.append(_name(endpoint))
            if endpoint.type == "connect" and endpoint in factories:
                lines.append(WatchedSocket(names[-1], factories[endpoint]))
                lines[-1].attach(keepalive)
    return BusMonitor(names, lines)


def _name(endpoint: Any) -> str:
    """Return the endpoint's address; of one that is not connected but bound nobody knows whom to expect."""
    return f"{endpoint.address}{BOUND if endpoint.type != 'connect' else ''}"
