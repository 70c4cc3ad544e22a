"""When chores are done."""

from __future__ import annotations

import pytest

from statscache.upkeep.seldom import EVERY, Seldom
from statscache.upkeep.upkeep import Upkeep


class Counted:
    """A chore that has so many parts, or fails."""

    def __init__(self, parts: int = 1, fails: bool = False) -> None:
        self.done = 0
        self._parts = parts
        self._fails = fails

    def run(self) -> bool:
        if self._fails:
            raise RuntimeError("as the test says")
        if self.done == self._parts:
            return False
        self.done += 1
        return True


def test_every_regular_chore_is_done_once_each_time() -> None:
    """Whether there is more to do or not."""
    chores = [Counted(9), Counted(9)]
    upkeep = Upkeep(chores)
    upkeep.keep_up()
    upkeep.keep_up()
    assert [chore.done for chore in chores] == [2, 2]


def test_one_that_fails_is_told_to_who_asked() -> None:
    """The flush's thread logs it, and all is done again later."""
    with pytest.raises(RuntimeError, match="as the test says"):
        Upkeep([Counted(fails=True)]).keep_up()


def test_in_spare_time_chores_take_turns_until_none_has_more() -> None:
    """One with much to do keeps no other waiting."""
    long, short = Counted(5), Counted(2)
    upkeep = Upkeep(spare=[long, short])
    for _ in range(4):
        assert upkeep.use_spare_time()
    assert (long.done, short.done) == (2, 2)
    while upkeep.use_spare_time():
        pass
    assert (long.done, short.done) == (5, 2)


def test_one_that_always_fails_keeps_no_other_waiting() -> None:
    """At each second call it is another's turn."""
    bad, good = Counted(fails=True), Counted(2)
    upkeep = Upkeep(spare=[bad, good])
    for _ in range(4):
        try:
            upkeep.use_spare_time()
        except RuntimeError:
            continue
    assert good.done == 2


def test_what_is_done_seldom_is_done_at_once_while_there_is_more() -> None:
    """And then not before some minutes are over."""
    now, chore = [0.0], Counted(3)
    seldom = Seldom(chore, lambda: now[0])
    assert [seldom.run() for _ in range(4)] == [True, True, True, False]
    chore.done = 2
    now[0] = EVERY - 1
    assert not seldom.run()
    now[0] = EVERY
    assert seldom.run()
    assert chore.done == 3


def test_what_is_done_seldom_and_fails_is_tried_the_next_time() -> None:
    chore = Counted(1, fails=True)
    seldom = Seldom(chore, lambda: 0.0)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            seldom.run()
