"""Between which times what is lost of a spool must lie."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from statscache.intake.losses import Losses
from statscache.spool.segment import Damage

NOON = 1_700_000_000


def test_they_lie_between_the_messages_around_them() -> None:
    """Give or take the lateness; several one after the other share what comes after them."""
    losses = Losses(NOON, 300)
    losses.before(NOON + 10)
    losses.add(Damage(0, 10))
    losses.add(Damage(10, 20))
    losses.before(NOON + 20)
    losses.before(NOON + 30)
    assert {(loss.first, loss.last) for loss in losses.all} == {(NOON - 290, NOON + 320)}
    assert (losses.start, losses.end) == (0, 20)


def test_a_message_of_the_far_future_makes_no_time_that_there_is_not() -> None:
    """One that is dated to the end of 9999 comes after what is lost, and the row can be written all the same."""
    losses = Losses(NOON, 300)
    losses.add(Damage(0, 10))
    losses.before(253_402_300_799)
    [loss] = losses.all
    assert loss.first == NOON - 300
    assert loss.last <= time.time() + 86_400
    assert datetime.fromtimestamp(loss.last, UTC)
