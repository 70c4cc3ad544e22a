"""The configuration of fedora-messaging, as an operator has it."""

from __future__ import annotations

from pathlib import Path

import pytest

from statscache.bus.amqp.configuration import (
    USUAL,
    AmqpConfiguration,
    Binding,
    Exchange,
    Queue,
    Tls,
    check_keeping,
    read_configuration,
)
from statscache.errors import Unusable

WHOLE = """
amqp_url = "amqps://fedora:@rabbitmq.example.org/%2Fpublic_pubsub"
callback = "fedora_messaging.example:printer"
passive_declares = true
topic_prefix = ""
[tls]
ca_cert = "/etc/fedora-messaging/cacert.pem"
keyfile = "/etc/fedora-messaging/fedora-key.pem"
certfile = "/etc/fedora-messaging/fedora-cert.pem"
[client_properties]
app = "Example Application"
[exchanges."amq.topic"]
type = "topic"
durable = true
auto_delete = false
arguments = {}
[queues.one]
durable = true
auto_delete = false
exclusive = false
arguments = {x-queue-type = "quorum"}
[queues.two]
durable = false
auto_delete = true
exclusive = true
arguments = {}
[[bindings]]
queue = "one"
exchange = "amq.topic"
routing_keys = ["org.fedoraproject.#", "io.pagure.#"]
[[bindings]]
queue = "two"
exchange = "amq.topic"
routing_keys = ["#"]
[qos]
prefetch_size = 0
prefetch_count = 25
[log_config]
version = 1
"""


def read(tmp_path: Path, text: str) -> AmqpConfiguration:
    """Return what a file says."""
    path = tmp_path / "config.toml"
    path.write_text(text, encoding="utf-8")
    return read_configuration(str(path), {})


def test_what_fedora_messaging_reads_is_read(tmp_path: Path) -> None:
    """Its file as its documentation has it, with what only its own consumers need."""
    found = read(tmp_path, WHOLE)
    folder = Path("/etc/fedora-messaging")
    one = Queue("one", True, False, False, {"x-queue-type": "quorum"})
    assert found == AmqpConfiguration(
        source=str(tmp_path / "config.toml"),
        url="amqps://fedora:@rabbitmq.example.org/%2Fpublic_pubsub",
        tls=Tls(folder / "cacert.pem", folder / "fedora-cert.pem", folder / "fedora-key.pem"),
        passive=True,
        exchanges=(Exchange("amq.topic"),),
        queues=(one, Queue("two")),
        bindings=(
            Binding("one", "amq.topic", ("org.fedoraproject.#", "io.pagure.#")),
            Binding("two", "amq.topic", ("#",)),
        ),
        client_properties={"app": "Example Application"},
    )
    assert found.only(frozenset()) == found.queues
    assert found.only(frozenset({"one", "three"})) == (one, Queue("three", exclusive=False, given=True))


def test_without_a_file_all_is_as_fedora_messaging_has_it(tmp_path: Path) -> None:
    """A broker on this machine, and a queue that it names, into which everything goes."""
    found = read(tmp_path, "")
    assert (found.url, found.passive) == ("amqp://", False)
    assert found.queues == (Queue(""),)
    assert found.bindings == (Binding("", "amq.topic", ("#",)),)


def test_the_file_is_found_as_fedora_messaging_finds_it(tmp_path: Path) -> None:
    """The setting first, then the environment, then where it usually is."""
    path = tmp_path / "config.toml"
    path.write_text('amqp_url = "amqp://elsewhere"')
    environ = {"FEDORA_MESSAGING_CONF": str(path)}
    assert read_configuration("", environ).url == "amqp://elsewhere"
    other = tmp_path / "other.toml"
    other.write_text('AMQP_URL = "amqp://other"')
    assert read_configuration(str(other), environ).url == "amqp://other"
    if not USUAL.exists():
        assert str(USUAL) in read_configuration("", {}).source


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("amqp_url = 7", "amqp_url must be a text, not 7"),
        ('amqp_url = "http://a"', "amqp_url must be a URL such as amqps://user@host/%2Fvhost"),
        ("passive_declares = 1", "passive_declares must be true or false, not 1"),
        ("queues = []", "queues must be a table, not []"),
        ("[queues]\na = 1", "queues.a must be a table, not 1"),
        ('[queues.a]\ndurable = "yes"', "queues.a.durable must be true or false, not 'yes'"),
        ("bindings = {}", "bindings must be a list, not {}"),
        ("bindings = [1]", "binding 1 must be a table, not 1"),
        ('[[bindings]]\nqueue = "a"', "binding 1 must have an exchange, which is a text, and routing_keys"),
        (
            '[[bindings]]\nexchange = "a"\nrouting_keys = [1]',
            "of binding 1, routing_keys must be a list of texts, not [1]",
        ),
        ('[tls]\ncertfile = "a"', "tls.certfile and tls.keyfile belong together, and one of them is missing"),
        ("amqp_url", "which is not TOML"),
    ],
)
def test_what_cannot_be_used_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    """It names the file, the key and what was expected."""
    with pytest.raises(Unusable) as raised:
        read(tmp_path, text)
    assert str(tmp_path / "config.toml") in str(raised.value)
    assert said in str(raised.value)
    assert "correct it" in str(raised.value)


@pytest.mark.parametrize("environ", [{}, {"FEDORA_MESSAGING_CONF": "/nowhere/config.toml"}])
def test_a_file_that_is_named_must_be_there(environ: dict[str, str]) -> None:
    """fedora-messaging would take its defaults instead, which nobody who names a file expects."""
    with pytest.raises(Unusable, match=r"names /nowhere.*cannot be read \(No such file or directory\)"):
        read_configuration("" if environ else "/nowhere", environ)


@pytest.mark.parametrize("password", ["s3cr3t/x", "s3[cr3t]", "s3cr3t#x", "s3cr3t?x"])
def test_no_part_of_a_password_is_told(tmp_path: Path, password: str) -> None:
    """Of one that is not written as a URL wants it, Python quotes what it takes for the port or the host."""
    with pytest.raises(Unusable) as raised:
        read(tmp_path, f'amqp_url = "amqp://guest:{password}@host/"')
    assert "amqp_url must be a URL" in str(raised.value)
    assert "cr3t" not in str(raised.value)


@pytest.mark.parametrize(
    ("queue", "fault"),
    [
        (Queue("mine", durable=True, auto_delete=True, exclusive=False), "the queue mine goes when nobody"),
        (Queue("mine", durable=False, auto_delete=False, exclusive=False), "the queue mine goes when nobody"),
        (Queue("", durable=True, auto_delete=False, exclusive=False), "the queue without a name goes"),
        (
            Queue("mine", True, auto_delete=False, exclusive=False, arguments={"x-message-ttl": 1}),
            "the queue mine has x-message-ttl",
        ),
    ],
)
def test_a_queue_that_loses_messages_cannot_be_called_unbounded(queue: Queue, fault: str) -> None:
    """One sentence says what contradicts the setting; of a queue that is only named nothing is known."""
    check_keeping([Queue("theirs", given=True), Queue("ours", True, auto_delete=False, exclusive=False)])
    with pytest.raises(Unusable, match=fault):
        check_keeping([queue])
