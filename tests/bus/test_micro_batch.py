"""Messages that come upon each other are accepted together, and none waits for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from statscache.bus.micro_batch import AT_ONCE, MicroBatch


class Reactor:
    """Calls later what it is told to, when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []
        self.accepted: list[list[Any]] = []
        self.inbox = MicroBatch(lambda bodies: self.accepted.append(list(bodies)), self.calls.append)

    def turn(self) -> None:
        calls, self.calls[:] = list(self.calls), []
        for call in calls:
            call()


def test_what_comes_in_one_turn_of_the_reactor_is_accepted_at_its_end() -> None:
    """In order, and with one call, however many they are."""
    reactor = Reactor()
    for number in range(3):
        reactor.inbox.put({"n": number})
    assert (reactor.accepted, len(reactor.calls)) == ([], 1)
    reactor.turn()
    assert reactor.accepted == [[{"n": 0}, {"n": 1}, {"n": 2}]]
    reactor.inbox.put({"n": 3})
    reactor.turn()
    assert reactor.accepted[1:] == [[{"n": 3}]]
    assert reactor.calls == []


def test_a_flood_is_accepted_while_it_lasts() -> None:
    """So many are enough: a reactor that only reads does not keep them waiting."""
    reactor = Reactor()
    for number in range(2 * AT_ONCE + 1):
        reactor.inbox.put({"n": number})
    assert [len(some) for some in reactor.accepted] == [AT_ONCE, AT_ONCE]
    reactor.turn()
    assert [body["n"] for some in reactor.accepted for body in some] == list(range(2 * AT_ONCE + 1))


def test_what_is_there_can_be_accepted_at_any_time() -> None:
    """Whoever asks how far all is in the spool, or ends, need not wait; nothing is accepted twice."""
    reactor = Reactor()
    reactor.inbox.put({"n": 0})
    reactor.inbox.empty()
    reactor.inbox.empty()
    reactor.turn()
    assert reactor.accepted == [[{"n": 0}]]


def test_after_a_failure_messages_are_accepted_as_before() -> None:
    """What could not be accepted is not tried again, and does not stand in the way of what comes after."""
    accepted: list[Any] = []

    def accept(bodies: Any) -> None:
        if bodies == [{"n": 0}]:
            raise RuntimeError("as the test says")
        accepted.extend(bodies)

    calls: list[Callable[[], None]] = []
    inbox = MicroBatch(accept, calls.append)
    inbox.put({"n": 0})
    with pytest.raises(RuntimeError):
        calls.pop()()
    inbox.put({"n": 1})
    calls.pop()()
    assert accepted == [{"n": 1}]
