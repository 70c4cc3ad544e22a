"""The demo on fedmsg: a hub that subscribes to a ZeroMQ socket."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import zmq

from statscache.demo.publisher import CONFIG, Listener

HUB = "from fedmsg.commands.hub import hub; hub()"


class FedmsgPublisher:
    """Publishes to a hub.

    :param directory: that of the demo
    """

    starts = "a hub"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._socket: zmq.Socket[bytes] | None = None

    def start(self, check: Callable[[], object]) -> Listener:
        """Listen at a free port."""
        publisher: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.XPUB)
        self._socket = publisher
        publisher.sndhwm = 0
        port = publisher.bind_to_random_port("tcp://127.0.0.1")
        settings = {
            "endpoints": {f"demo.{socket.gethostname().split('.')[0]}": [f"tcp://127.0.0.1:{port}"]},
            "zmq_enabled": True,
            "validate_signatures": False,
            "statscache.consumer.enabled": True,
        }
        program = HUB, "--config-filename", str(self._directory / CONFIG)
        return Listener("the hub", "hub.log", program, settings)

    def is_heard(self) -> bool:
        """Return, after a moment, whether the hub has subscribed."""
        assert self._socket is not None
        return bool(self._socket.poll(200) and self._socket.recv())

    def send(self, message: Mapping[str, Any]) -> None:
        """Publish a message."""
        assert self._socket is not None
        self._socket.send_multipart([message["topic"].encode(), json.dumps(message).encode()])

    def stop(self) -> None:
        """Publish nothing more."""
        if self._socket is not None:
            self._socket.close(linger=0)
