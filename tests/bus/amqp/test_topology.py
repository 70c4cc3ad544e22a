"""What daemons need on a broker to share its messages."""

from __future__ import annotations

from pathlib import Path

import pytest

from statscache.bus.amqp.configuration import AmqpConfiguration, read_configuration
from statscache.bus.amqp.topology import check_known, plan
from statscache.errors import Unusable


def configuration(directory: Path, more: str = "") -> AmqpConfiguration:
    """Return what a file says."""
    path = directory / "fedora-messaging.toml"
    path.write_text(more, encoding="utf-8")
    return read_configuration(str(path))


BINDINGS = """[[bindings]]
queue = "mine"
exchange = "amq.topic"
routing_keys = ["org.fedoraproject.#", "org.centos.#"]
[[bindings]]
queue = "yours"
exchange = "amq.topic"
routing_keys = ["org.centos.#"]
[[bindings]]
exchange = "zmq.topic"
routing_keys = ["#"]
"""


def test_without_bindings_everything_of_the_usual_exchange_is_shared(tmp_path: Path) -> None:
    """Among four queues."""
    found = plan(configuration(tmp_path), "counters", [])
    assert found.sources == [("amq.topic", "#")]
    assert found.queues == [f"counters-{number}" for number in range(1, 5)]
    assert list(found.lines())[:4] == [
        "the exchange counters is of type x-consistent-hash, by message_id, and durable",
        "the exchange counters gets what of amq.topic has the routing key #",
        "the queue counters-1 is a durable quorum queue with a single active consumer",
        "the queue counters-1 gets its share of counters, with the weight 1",
    ]


def test_what_the_configuration_binds_is_shared(tmp_path: Path) -> None:
    """Into whichever queue, and each once."""
    found = plan(configuration(tmp_path, BINDINGS), "counters", [], 1)
    sources = [("amq.topic", "org.fedoraproject.#"), ("amq.topic", "org.centos.#"), ("zmq.topic", "#")]
    assert found.sources == sources
    assert found.queues == ["counters-1"]


def test_there_are_as_many_queues_as_there_were_unless_a_number_says_otherwise(tmp_path: Path) -> None:
    """Of fewer the last get nothing more."""
    known = configuration(tmp_path)
    present = ["q-1", "q-2", "q-3"]
    assert plan(known, "q", present).queues == present
    assert plan(known, "q", present, 5).queues == [*present, "q-4", "q-5"]
    fewer = plan(known, "q", present, 1)
    assert (fewer.queues, fewer.retired) == (["q-1"], ["q-2", "q-3"])
    assert list(fewer.lines())[-2:] == [f"the queue q-{number} gets nothing more of q" for number in (2, 3)]


def test_a_queue_that_is_retired_is_none_whatever_the_number(tmp_path: Path) -> None:
    """Nor is one that was retired before, which may be deleted now."""
    found = plan(configuration(tmp_path), "q", ["q-1", "q-2"], 3, ["q-2", "q-7"])
    assert (found.queues, found.retired) == (["q-1", "q-3"], ["q-2", "q-7"])


@pytest.mark.parametrize(
    ("bindings", "retired", "said"),
    [
        ("bindings = []", [], "has no bindings, and so nothing would come"),
        (BINDINGS.replace("mine", "q-1"), [], "binds the queue q-1 to amq.topic itself"),
        ("", ["q-1"], "leave at least one"),
    ],
)
def test_what_would_lose_or_double_messages_is_refused(
    tmp_path: Path, bindings: str, retired: list[str], said: str
) -> None:
    """Before anything is made."""
    with pytest.raises(Unusable, match=said):
        plan(configuration(tmp_path, bindings), "q", ["q-1"], None, retired)


def test_a_queue_that_is_to_be_retired_must_be_known() -> None:
    """And those that are known are named."""
    check_known("q", ["q-1", "q-2"], ["q-2"])
    with pytest.raises(Unusable, match=r"q-3 is not one of the queues of q, which are q-1, q-2: name one"):
        check_known("q", ["q-1", "q-2"], ["q-3"])
