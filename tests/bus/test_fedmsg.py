"""Which endpoints a hub is connected to, and what therefore counts as heard."""

from __future__ import annotations

import threading

import pytest
import txzmq
from moksha.hub.hub import MokshaHub

from statscache.bus.fedmsg import watch
from statscache.bus.looks import APART
from statscache.bus.watermark import Watermark
from statscache.process.clocks import Clocks
from tests.support.clock import Machine
from tests.support.hub import Bus, ordinary, wait_for


def connect(*endpoints: str, method: str = "connect") -> MokshaHub:
    """Return a hub in this process that has subscribed to all that these endpoints send, and never reads by itself."""
    config = {"zmq_enabled": True, "zmq_publish_endpoints": "", "zmq_subscribe_method": method}
    hub = MokshaHub({**config, "zmq_subscribe_endpoints": ",".join(endpoints)})
    hub.subscribe("*", lambda message: None)
    return hub


def test_what_is_connected_already_is_watched_too(bus: Bus) -> None:
    """A socket that was connected long ago, to two publishers, is connected anew and keeps its subscription; while
    a message waits in it nothing is claimed; and once it is let go of, nothing keeps ZeroMQ from its end."""
    hub, second = connect(bus.endpoint), Bus()
    [connection] = hub.extensions[0].subscriber_factories.values()
    connection.addEndpoints([txzmq.ZmqEndpoint("connect", second.endpoint)])
    bus.wait_for_subscriber()
    second.wait_for_subscriber()
    clock, monitor = Machine(), watch(hub)
    watermark = Watermark(clock.clocks)
    monitor.start(watermark, lambda: 0)

    def check() -> Watermark:
        monitor.check()
        return watermark

    wait_for("both", lambda: not check().missing)
    bus.send(ordinary(1))
    assert connection.socket.poll(5_000)
    for _ in range(20):
        clock.now += APART
        assert check().claim(0, 1) is None
    connection.doRead()
    for _ in range(3):
        clock.now += APART
        check()
    assert watermark.claim(0, 1)
    second.close()
    wait_for("the loss", lambda: check().missing)

    context = connection.factory.context
    monitor.stop()
    connection.shutdown()
    ending = threading.Thread(target=context.term, daemon=True)
    ending.start()
    ending.join(5)
    assert not ending.is_alive()
    hub.close()


@pytest.mark.parametrize(
    ("endpoint", "method", "name"),
    [
        ("tcp://nonsense", "connect", "tcp://nonsense"),
        ("tcp://127.0.0.1:*", "bind", "tcp://127.0.0.1:* (bound, so its publishers are not known)"),
    ],
)
def test_an_endpoint_without_a_connection_of_its_own_is_missed(endpoint: str, method: str, name: str) -> None:
    """Where the hub failed to connect, or waits for publishers to come, nothing is ever heard in full."""
    hub, watermark = connect(endpoint, method=method), Watermark(Clocks())
    monitor = watch(hub)
    monitor.start(watermark, lambda: 0)
    assert list(watermark.missing) == [name]
    assert watermark.start is None
    monitor.stop()
    for connection in hub.extensions[0].subscriber_factories.values():
        connection.shutdown()
    hub.close()
