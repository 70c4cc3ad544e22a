"""Every table of every kind equals what an independent program says, however the messages come."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from statscache.daemon import Daemon
from statscache.messages.message import Message
from tests.support.all_kinds import AllKinds
from tests.support.reference import Body, Cells, differences, usable
from tests.support.shared import read_lines
from tests.support.tables import tables_in
from tests.support.tables_of_kinds import kinds_in
from tests.system.torture.messages import make

CHANCE = random.Random("all kinds")
ORDERS: dict[str, Callable[[Sequence[Body]], Sequence[Body]]] = {
    "in order": lambda bodies: sorted(bodies, key=lambda body: float(body["timestamp"])),
    "newest first": lambda bodies: sorted(bodies, key=lambda body: -float(body["timestamp"])),
    "shuffled": lambda bodies: CHANCE.sample(bodies, len(bodies)),
    "shuffled, and each of them twice": lambda bodies: CHANCE.sample([*bodies, *bodies], 2 * len(bodies)),
}


def sent(count: int, share: float) -> list[Body]:
    """Return messages with duplicates, and a share of things that begin and end many times."""
    return [body for body in make(7, count, share=share) if usable(body)]


def expected(bodies: Iterable[Body]) -> Cells:
    """Return what the tables must hold; users and packages are named as the daemon names them."""
    messages = {id(body): Message(body) for body in bodies}
    known = {messages[id(body)].id: body for body in bodies}
    reference = AllKinds(lambda body: messages[id(body)].usernames, lambda body: messages[id(body)].packages)
    return reference.tables(known.items())


def compared(engine: Engine, bodies: Sequence[Body]) -> dict[str, int]:
    """Return in how many cells tables differ, those left out that need Fedora's processors."""
    with engine.connect() as connection:
        found = tables_in(engine) | kinds_in(connection)
    wanted = expected(bodies)
    names = {table for table in wanted if "_by_user" not in table and "_by_package" not in table}
    names -= {"data_pagure_user_contribution_1d"}
    return differences({table: found[table] for table in names}, {table: wanted[table] for table in names})


@pytest.mark.parametrize("order", ORDERS)
def test_every_cell_is_right_in_any_order(order: str, daemon: Daemon, engine: Engine) -> None:
    """Split over flushes anywhere."""
    bodies = sent(800, 0.5)
    for body in ORDERS[order](bodies):
        daemon.intake.accept(body)
        if CHANCE.random() < 0.01:
            daemon.flusher.flush()
    daemon.flusher.flush()
    assert compared(engine, bodies) == {}


def test_every_cell_is_right_split_at_every_point(daemon: Daemon, engine: Engine) -> None:
    """A flush after each message, and a comparison now and then."""
    bodies = sent(60, 0.9)
    for number, body in enumerate(bodies, 1):
        daemon.intake.accept(body)
        daemon.flusher.flush()
        if number % 20 == 0:
            assert compared(engine, bodies[:number]) == {}


@pytest.mark.parametrize("name", ["messages", "derived"])
def test_real_messages_come_to_what_is_expected(
    name: str, daemon: Daemon, engine: Engine, shared: Path
) -> None:
    """Also those kinds of tables that the oracle beside the checkout does not know."""
    pytest.importorskip("fedmsg_meta_fedora_infrastructure")
    bodies: list[Any] = [line["message"] for line in read_lines(shared / "data" / f"{name}.jsonl")]
    for body in bodies:
        daemon.intake.accept(body)
    daemon.flusher.flush()
    assert compared(engine, [body for body in bodies if usable(body)]) == {}
