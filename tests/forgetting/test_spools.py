"""Spools do not keep what names people who are forgotten."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import event

from statscache.forgetting.forgetting import Forgetting, Wish
from statscache.forgetting.spools import Spools, clear_spools
from statscache.schema.bots import keep_bots
from statscache.upkeep.clearing import ClearSpool
from tests.support.bench import Bench
from tests.support.forgetting import NAME, Deeds, Seen, body, in_files

Make = Callable[..., Bench]
TAIL_S = 3600.0


@pytest.fixture
def make(make_bench: Make, tmp_path: Path) -> Callable[[], Bench]:
    """Makes daemons whose spools keep what is committed."""

    def make() -> Bench:
        bench = make_bench(Deeds, Seen, forget_key=tmp_path / "key", spool_tail=TAIL_S)
        keep_bots(bench.engine, ())
        return bench

    return make


def forget(bench: Bench) -> None:
    Forgetting(bench.engine, bench.app.settings.forget_key, [Wish(NAME)]).run()


def clear(bench: Bench, patience: float = 0.0) -> Spools:
    return clear_spools(bench.engine, bench.app.settings.spools, patience)


def deed(bench: Bench, number: int, who: str = NAME) -> None:
    bench.intake.accept(body(number, who))


def test_a_daemon_clears_its_own_spool(make: Callable[[], Bench]) -> None:
    """Of what is committed at its next upkeep, and of what is not once it is; what comes later stays for the tail."""
    bench = make()
    deed(bench, 1)
    bench.flush()
    deed(bench, 2)
    forget(bench)
    assert in_files(bench.daemon.spools)
    assert clear(bench).waiting == [bench.daemon.spool.id]
    bench.keep_up()
    bench.flush()
    assert in_files(bench.daemon.spools) == []
    assert clear(bench) == Spools()
    assert bench.execute("SELECT count(DISTINCT who), sum(volume) FROM test_deeds WHERE what = 'a deed'") == [
        (1, 2)
    ]
    deed(bench, 3, "carol")
    bench.flush()
    assert in_files(bench.daemon.spools, "carol")


def test_a_quiet_daemon_clears_its_spool(make: Callable[[], Bench]) -> None:
    """Without a message that makes it flush."""
    bench = make()
    deed(bench, 1)
    bench.flush()
    forget(bench)
    bench.keep_up()
    assert in_files(bench.daemon.spools) == []
    assert clear(bench) == Spools()


def test_to_clear_its_spool_a_daemon_asks_nothing(make: Callable[[], Bench]) -> None:
    """What covers time has just asked who is forgotten, in the same upkeep."""
    bench = make()
    chore = ClearSpool(bench.app.pseudonyms, bench.daemon.spool)
    deed(bench, 1)
    bench.flush()
    forget(bench)
    bench.daemon.commits.commit_nothing()
    assert in_files(bench.daemon.spools)
    asked: list[str] = []
    event.listen(bench.engine, "before_cursor_execute", lambda *its: asked.append(its[2]))
    chore.run()
    assert (in_files(bench.daemon.spools), asked) == ([], [])


def test_what_a_dead_daemon_has_left_is_removed_if_it_is_counted(make: Callable[[], Bench]) -> None:
    """And else by the daemon that counts it."""
    dead, other = make(), make()
    for bench in (dead, other):
        deed(bench, len(in_files(bench.daemon.spools)))
        bench.flush()
    deed(other, 5)
    dead.die()
    other.die()
    forget(dead)
    found = clear(dead)
    assert found.removed == [dead.daemon.spool.id]
    assert found.uncounted == [other.daemon.spool.id]
    bench = make()
    bench.flush()
    bench.keep_up()
    assert in_files(bench.daemon.spools) == []
    assert clear(bench) == Spools()
    assert bench.execute("SELECT count(DISTINCT who) FROM test_seen") == [(1,)]


def test_a_spool_that_was_written_since_stays_for_the_tail(make: Callable[[], Bench]) -> None:
    """Also when its daemon has ended."""
    before = make()
    forget(before)
    before.die()
    bench = make()
    bench.intake.accept(body(1, "carol"))
    bench.flush()
    bench.die()
    after = make()
    after.keep_up()
    assert in_files(after.daemon.spools, "carol")
