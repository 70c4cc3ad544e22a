"""TLS with an authority of one's own and certificates that say who the client is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.authority import Authority
from tests.support.consumer import Consumer, fedora_messaging
from tests.support.hub import volume, wait_for
from tests.support.place import Place
from tests.support.rabbitmq import Broker, Delivery, Publisher, needs_rabbitmq

Start = Callable[..., Consumer]


@pytest.fixture(scope="module")
def authorities(tmp_path_factory: pytest.TempPathFactory) -> tuple[Authority, Authority]:
    """The authority of the broker and its client, and one that neither knows."""
    ours, theirs = tmp_path_factory.mktemp("ours"), tmp_path_factory.mktemp("theirs")
    known, unknown = Authority(ours, "authority"), Authority(theirs, "authority")
    known.issue("localhost")
    for authority in (known, unknown):
        authority.issue("counter")
    return known, unknown


@pytest.fixture(scope="module")
def secure(
    authorities: tuple[Authority, Authority], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Broker]:
    """A broker that wants a certificate of its clients, which names the user."""
    needs_rabbitmq()
    folder = authorities[0].directory
    broker = Broker(
        tmp_path_factory.mktemp("rabbitmq"),
        [
            "listeners.ssl.1 = 127.0.0.1:{port}",
            f"ssl_options.cacertfile = {folder}/authority.crt",
            f"ssl_options.certfile = {folder}/localhost.crt",
            f"ssl_options.keyfile = {folder}/localhost.key",
            "ssl_options.verify = verify_peer",
            "ssl_options.fail_if_no_peer_cert = true",
            "auth_mechanisms.1 = EXTERNAL",
            "auth_mechanisms.2 = PLAIN",
            "ssl_cert_login_from = common_name",
        ],
    )
    broker.ctl("add_user", "counter", "unused")
    broker.ctl("set_permissions", "counter", ".*", ".*", ".*")
    yield broker
    broker.close()


def tls(authority: Path, own: Path, host: str, port: int) -> str:
    """Return a configuration of fedora-messaging."""
    files = f'[tls]\nca_cert = "{authority}/authority.crt"\ncertfile = "{own}/counter.crt"\n'
    files += f'keyfile = "{own}/counter.key"'
    return fedora_messaging(f"amqps://{host}:{port}/", more=files)


def test_a_certificate_says_who_we_are(
    secure: Broker, authorities: tuple[Authority, Authority], start_consumer: Start, engine: Engine
) -> None:
    """No password is needed, and messages count."""
    folder = authorities[0].directory
    consumer = start_consumer(tls(folder, folder, "localhost", secure.tls_port))
    consumer.wait_until_running()
    Publisher(secure).send(map(Delivery, range(1, 101)))
    wait_for("all to be counted", lambda: volume(engine) == 100)
    assert consumer.end()[0] == 0


@pytest.mark.parametrize(
    ("host", "trusted", "own"), [("localhost", 1, 0), ("localhost", 0, 1), ("127.0.0.1", 0, 0)]
)
def test_a_wrong_certificate_is_one_line(
    secure: Broker,
    authorities: tuple[Authority, Authority],
    start_consumer: Start,
    host: str,
    trusted: int,
    own: int,
) -> None:
    """Of the broker, of ours, and one that is not for the name that the broker has in the URL."""
    folders = [authority.directory for authority in authorities]
    consumer = start_consumer(tls(folders[trusted], folders[own], host, secure.tls_port))
    assert consumer.wait() == 1
    last = consumer.log.strip().splitlines()[-1]
    assert last.startswith(f"statscache: the broker {host}:{secure.tls_port}")
    assert "certificate" in last
    assert "Traceback" not in consumer.log


@pytest.mark.parametrize("wrong", ["missing", "empty"])
def test_a_file_that_is_no_certificate_is_one_line(tmp_path: Path, start_consumer: Start, wrong: str) -> None:
    """It names the file."""
    if wrong == "empty":
        for name in ("authority.crt", "counter.crt", "counter.key"):
            (tmp_path / name).touch()
    consumer = start_consumer(tls(tmp_path, tmp_path, "localhost", 1))
    assert consumer.wait() == 1
    last = consumer.log.strip().splitlines()[-1]
    assert last.startswith(f"statscache: {tmp_path}/")
    assert "which the tls settings of fedora-messaging name, cannot be used" in last
    assert "Traceback" not in consumer.log


def test_a_broker_that_is_gone_without_a_word_is_noticed(
    secure: Broker, authorities: tuple[Authority, Authority], start_consumer: Start, engine: Engine
) -> None:
    """By its heartbeat, and though it does not agree that the connection ends."""
    folder = authorities[0].directory
    messaging = tls(folder, folder, "localhost", secure.tls_port)
    consumer = start_consumer(messaging.replace(f"{secure.tls_port}/", f"{secure.tls_port}/?heartbeat=2"))
    consumer.wait_until_running()
    with secure.frozen():
        wait_for("the loss to be noticed", lambda: "lost the connection" in consumer.log)
    wait_for("another connection", lambda: consumer.log.count("connected to ") == 2)
    assert "Traceback" not in consumer.log


def test_a_command_shows_its_certificate_too(
    secure: Broker, authorities: tuple[Authority, Authority], there: Place
) -> None:
    """And says in one line that one is wrong."""
    known, unknown = (authority.directory for authority in authorities)
    there.configure({"statscache.amqp.config": "messaging.toml"})
    for trusted, own, said in (
        (known, known, ""),
        (unknown, known, "and we do not trust each other's certificates"),
        (known, unknown, "bad certificate|may not trust our certificate"),  # its alert may not arrive
        (there.directory, known, "cannot be used"),
    ):
        there.write("messaging.toml", tls(trusted, own, "localhost", secure.tls_port))
        code, output, errors = there.run("amqp-topology", "--queues", "1", "--apply")
        if said:
            assert (code, output) == (2, "")
            assert re.fullmatch(r"statscache: [^\n]*\n", errors)
            assert re.search(said, errors)
        else:
            assert (code, errors) == (0, "")
    assert "statscache-1" in secure.ctl("list_queues", "name")
