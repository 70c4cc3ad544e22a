"""A real RabbitMQ, on free ports and with a directory of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from statscache.demo import rabbitmq
from statscache.demo.processes import free_port
from statscache.demo.rabbitmq import RabbitMQ
from tests.support.hub import wait_for

PLUGINS = ("rabbitmq_consistent_hash_exchange", "rabbitmq_auth_mechanism_ssl")
TOPIC = "org.fedoraproject.prod.bodhi.update.comment"


class Broker(RabbitMQ):
    """A broker, which listens from when this is made.

    :param directory: for its files
    :param settings: more lines of its rabbitmq.conf, where `{port}` is that for TLS
    :param plugins: its enabled_plugins
    """

    def __init__(
        self, directory: Path, settings: Iterable[str] = (), plugins: Sequence[str] = PLUGINS
    ) -> None:
        self.tls_port = free_port()
        settings = [line.format(port=self.tls_port) for line in settings]
        super().__init__(directory, directory / "out", settings, plugins)
        self.start()

    def start(self) -> None:
        """Start it, also once more, and wait until it answers."""
        super().start()
        try:
            wait_for("RabbitMQ to answer", lambda: self.answers, 180.0)
        except Exception as error:
            self.close()
            raise AssertionError(self.log.read_text(errors="replace")[-4000:]) from error

    def stop(self) -> None:
        """End it in order."""
        assert self._server is not None
        self._server.terminate()
        self._server.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it do nothing for a while, not even close a connection."""
        self.signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.signal(signal.SIGCONT)

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl, and return what it prints."""
        program = Path(rabbitmq.SERVER or "").with_name("rabbitmqctl")
        done = subprocess.run(
            [str(program), "-q", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout

    @contextmanager
    def channel(self) -> Iterator[BlockingChannel]:
        """Give a channel of a connection of its own."""
        connection = self.connect()
        try:
            yield connection.channel()
        finally:
            if connection.is_open:
                connection.close()

    def waiting(self, queue: str) -> int:
        """Return how many messages of a queue are not acknowledged, delivered or not."""
        for line in self.ctl("list_queues", "--no-table-headers", "name", "messages").splitlines():
            name, _, number = line.partition("\t")
            if name == queue:
                return int(number)
        raise AssertionError(f"there is no queue {queue}")


#: Whether a RabbitMQ is installed.
IS_INSTALLED = rabbitmq.SERVER is not None and rabbitmq.EPMD is not None


def needs_rabbitmq() -> None:
    """Skip a test where no RabbitMQ is installed."""
    if not IS_INSTALLED:
        pytest.skip("needs RabbitMQ: install rabbitmq-server")


class Delivery:
    """A message as fedora-messaging publishes it."""

    def __init__(self, number: int, when: float | None = None, **headers: Any) -> None:
        sent = datetime.now(UTC) if when is None else datetime.fromtimestamp(when, UTC)
        self.id = str(uuid.UUID(int=number, version=4))
        self.topic = TOPIC
        self.payload = json.dumps({"n": number}).encode()
        self.headers: dict[str, Any] | None = {
            "fedora_messaging_schema": "base.message",
            "fedora_messaging_severity": 20,
            "sent-at": sent.replace(microsecond=0).isoformat(),
            "priority": 0,
            **headers,
        }

    @property
    def properties(self) -> pika.BasicProperties:
        """Its properties."""
        return pika.BasicProperties(
            content_type="application/json",
            content_encoding="utf-8",
            delivery_mode=2,
            message_id=self.id,
            headers=self.headers,
        )


class Publisher:
    """Publishes to an exchange, and knows that the broker has it all."""

    def __init__(self, broker: Broker, exchange: str = "amq.topic") -> None:
        self._broker = broker
        self._exchange = exchange

    def send(self, deliveries: Iterable[Delivery]) -> None:
        """Publish messages, and return once the broker has them on its disk."""
        with self._broker.channel() as channel:
            channel.tx_select()
            for each in deliveries:
                channel.basic_publish(self._exchange, each.topic, each.payload, each.properties)
            channel.tx_commit()
