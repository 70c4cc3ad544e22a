"""A broker that all tests share, each with queues of its own, and processes that consume from it."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.consumer import Consumer, fedora_messaging, shared_out
from tests.support.place import Place
from tests.support.rabbitmq import Broker, Publisher, needs_rabbitmq

#: How many seconds old a message may be when it comes, where queues share messages.
LATENESS = {"statscache.coverage.lateness": 2}


@pytest.fixture(scope="session")
def broker() -> Iterator[Broker]:
    """A broker that no test may stop."""
    needs_rabbitmq()
    with tempfile.TemporaryDirectory(prefix="statscache-rabbitmq-", ignore_cleanup_errors=True) as directory:
        broker = Broker(Path(directory))
        yield broker
        broker.close()


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    """A broker of the test's own."""
    needs_rabbitmq()
    directory = tmp_path / "rabbitmq"
    directory.mkdir()
    broker = Broker(directory)
    yield broker
    broker.close()


@pytest.fixture
def exchange(broker: Broker) -> Iterator[str]:
    """A topic exchange of the test's own, to which nothing is bound."""
    name = f"test.{uuid.uuid4().hex}"
    with broker.channel() as channel:
        channel.exchange_declare(name, "topic", durable=True)
    yield name
    with broker.channel() as channel:
        channel.exchange_delete(name)


@pytest.fixture
def queue(broker: Broker) -> Iterator[str]:
    """The name of a queue of the test's own, which is not there yet."""
    name = f"test-{uuid.uuid4().hex}"
    yield name
    with broker.channel() as channel:
        channel.queue_delete(name)


@pytest.fixture
def publisher(broker: Broker, exchange: str) -> Publisher:
    """Publishes to the exchange."""
    return Publisher(broker, exchange)


@pytest.fixture
def start_consumer(tmp_path: Path, config: dict[str, Any]) -> Iterator[Callable[..., Consumer]]:
    """Starts processes that consume; takes a configuration of fedora-messaging, settings and environment."""
    started: list[Consumer] = []

    def start(messaging: str, settings: dict[str, Any] | None = None, **environment: str) -> Consumer:
        directory = tmp_path / f"consumer-{len(started)}"
        directory.mkdir()
        started.append(Consumer(directory, messaging, {**config, **(settings or {})}, **environment))
        return started[-1]

    yield start
    for each in started:
        each.kill()


@pytest.fixture
def start(
    start_consumer: Callable[..., Consumer], broker: Broker, queue: str, exchange: str
) -> Callable[..., Consumer]:
    """Starts processes that consume the queue, bound to the exchange; takes settings and environment."""

    def begin(settings: dict[str, Any] | None = None, **environment: str) -> Consumer:
        return start_consumer(fedora_messaging(broker.url, queue, exchange), settings, **environment)

    return begin


@pytest.fixture
def shares(broker: Broker) -> Iterator[str]:
    """The name of an exchange of the test's own by which queues share messages, which is not there yet."""
    name = f"shares-{uuid.uuid4().hex[:8]}"
    yield name
    with broker.channel() as channel:
        channel.exchange_delete(name)
        for number in range(1, 10):
            channel.queue_delete(f"{name}-{number}")


@pytest.fixture
def topology(there: Place, shares: str, broker: Broker, exchange: str) -> Callable[..., tuple[int, str, str]]:
    """Runs `statscache amqp-topology` for the exchange; takes its options, the URL of another broker, and a script."""

    def run(*options: str, url: str = "", script: str = "") -> tuple[int, str, str]:
        there.write("messaging.toml", shared_out(url or broker.url, exchange))
        there.configure({"statscache.amqp.config": "messaging.toml", **LATENESS})
        return there.run("amqp-topology", "--name", shares, *options, script=script)

    return run
