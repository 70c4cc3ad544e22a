"""The demo on AMQP: a RabbitMQ of its own, and `statscache consume` on a queue of it."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pika
import service_identity  # noqa: F401  which the daemon needs
from pika.adapters.blocking_connection import BlockingChannel

from statscache.demo import rabbitmq
from statscache.demo.publisher import Listener
from statscache.errors import Unusable
from statscache.messages.headers import BASE_SCHEMA

COMMAND = "from statscache.cli import main; main()"
EXCHANGE, QUEUE = "amq.topic", "statscache"
#: How fedora-messaging has its severities: this is that of most messages.
INFO = 20
#: How long in seconds RabbitMQ may take to start, and how often it is asked.
START, ASK = 90.0, 0.2

#: A configuration of fedora-messaging.
MESSAGING = """amqp_url = "{url}"

[queues.{queue}]
durable = true
auto_delete = false
exclusive = false
arguments = {{x-queue-type = "quorum"}}

[[bindings]]
queue = "{queue}"
exchange = "{exchange}"
routing_keys = ["#"]
"""


class AmqpPublisher:
    """Publishes to a queue, as fedora-messaging does.

    :param directory: that of the demo
    :raises Unusable: where no RabbitMQ is installed
    """

    starts = "RabbitMQ, statscache consume"

    def __init__(self, directory: Path) -> None:
        if rabbitmq.SERVER is None or rabbitmq.EPMD is None:
            raise Unusable(
                "there is no rabbitmq-server here, which the demo on AMQP needs: install RabbitMQ, or leave out "
                "the option --bus"
            )
        self._directory = directory
        self._files = directory / "rabbitmq"
        self._log = directory / "consume.log"
        self._broker: rabbitmq.RabbitMQ | None = None
        self._channel: BlockingChannel | None = None

    def start(self, check: Callable[[], object]) -> Listener:
        """Start RabbitMQ, and wait until it answers.

        :raises Unusable: if it does not start
        """
        self._remove_files()
        self._files.mkdir()
        self._broker = broker = rabbitmq.RabbitMQ(self._files, self._directory / "rabbitmq.log")
        broker.log.unlink(missing_ok=True)
        broker.start()
        self._await(broker, check)
        self._channel = broker.connect(heartbeat=0).channel()  # none, as nobody reads while nothing is sent
        messaging = self._directory / "fedora-messaging.toml"
        messaging.write_text(
            MESSAGING.format(url=broker.url, queue=QUEUE, exchange=EXCHANGE), encoding="utf-8"
        )
        settings = {"statscache.amqp.config": str(messaging), "statscache.amqp.queues": [QUEUE]}
        return Listener("statscache consume", self._log.name, (COMMAND, "consume"), settings)

    def _await(self, broker: rabbitmq.RabbitMQ, check: Callable[[], object]) -> None:
        deadline = time.monotonic() + START
        while not broker.answers:
            check()
            if time.monotonic() > deadline:
                raise Unusable(f"RabbitMQ does not answer within {START:.0f} s: see {broker.log}")
            time.sleep(ASK)

    def is_heard(self) -> bool:
        """Return, after a moment, whether the queue is consumed, and so there."""
        time.sleep(ASK)
        return b"connected to " in self._log.read_bytes()

    def send(self, message: Mapping[str, Any]) -> None:
        """Publish a message.

        :raises Unusable: if the broker has ended
        """
        assert self._channel is not None
        assert self._broker is not None
        try:
            self._channel.basic_publish(
                EXCHANGE, message["topic"], payload_of(message), properties_of(message)
            )
        except pika.exceptions.AMQPError:
            raise Unusable(f"RabbitMQ has ended, or takes no messages: see {self._broker.log}") from None

    def stop(self) -> None:
        """End RabbitMQ, of which nothing is kept: all that it had is counted."""
        if self._broker is not None:
            self._broker.close()
            self._remove_files()

    def _remove_files(self) -> None:
        shutil.rmtree(self._files, ignore_errors=True)


def payload_of(message: Mapping[str, Any]) -> bytes:
    """Return the content of a message as fedora-messaging sends it."""
    return json.dumps(message["msg"]).encode()


def properties_of(message: Mapping[str, Any]) -> pika.BasicProperties:
    """Return what fedora-messaging says of a message: its id, when it was sent, and that it is to be kept on disk."""
    _, _, uuid = message["msg_id"].partition("-")  # which fedmsg puts the year before
    return properties_with(uuid, datetime.fromtimestamp(int(message["timestamp"]), UTC))


def properties_with(message_id: str | None, sent: datetime) -> pika.BasicProperties:
    """Return the same of a message with that id, which was sent then."""
    headers = {
        "fedora_messaging_schema": BASE_SCHEMA,
        "fedora_messaging_severity": INFO,
        "sent-at": sent.isoformat(),
    }
    return pika.BasicProperties(
        content_type="application/json",
        content_encoding="utf-8",
        delivery_mode=2,
        message_id=message_id,
        headers=headers,
    )
