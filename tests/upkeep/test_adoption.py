"""What dead daemons left in their spools is adopted, and written first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.bench import Bad, Bench, Good, Keeper, Other, fail, spools

MakeBench = Callable[..., Bench]
ALL = (Good, Bad, Keeper, Other)


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugin that can fail does not, until a test says so."""
    Bad.trouble = staticmethod(lambda session: None)


def test_what_a_dead_daemon_left_is_written_first_and_from_its_committed_position(
    make_bench: MakeBench,
) -> None:
    """The next daemon starts where the last commit ended, even if the ledger has forgotten what was before."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.flush()
    dead.accept(*"de")
    dead.die()
    dead.execute("DELETE FROM statscache_ledger")
    bench = make_bench(*ALL)
    bench.send("own")
    assert bench.daemon.flusher.step()
    assert bench.volumes() == [5] * 4
    assert len(spools(bench)) == 1
    bench.flush()
    assert bench.volumes() == [6] * 4


def test_a_death_before_any_commit_loses_nothing(make_bench: MakeBench) -> None:
    """A daemon that was killed before its first flush leaves all it accepted."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.die()
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [3] * 4


def test_an_empty_spool_of_a_dead_daemon_blocks_nothing(make_bench: MakeBench) -> None:
    """A daemon that died before it had accepted anything leaves a spool that is removed, with its row."""
    dead = make_bench(*ALL)
    dead.daemon.spool.lose(7.0, "the spool had no room")
    dead.die()
    bench = make_bench(*ALL)
    bench.accept("x")
    bench.flush()
    assert bench.volumes() == [1] * 4
    assert [path.name for path in spools(bench)] == [bench.daemon.spool.id]
    assert bench.execute("SELECT messages, reason FROM statscache_gap") == [(1, "the spool had no room")]
    bench.keep_up()
    assert bench.execute("SELECT id FROM statscache_spool") == [(bench.daemon.spool.id,)]


def test_a_spool_without_its_plugins_and_its_row_stops_no_start(make_bench: MakeBench) -> None:
    """If somebody has deleted both, its messages count all the same."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.die()
    [path] = dead.daemon.spools.glob("*/plugins.json")
    path.unlink()
    dead.execute("DELETE FROM statscache_spool")
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [3] * 4


def test_a_torn_spool_of_a_dead_daemon_is_written_up_to_its_tear(make_bench: MakeBench) -> None:
    """A record that the death of the daemon cut off is dropped; what comes before it counts."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.die()
    [path] = dead.daemon.spools.glob("*/*.spool")
    path.write_bytes(path.read_bytes()[:-5])
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [2] * 4
    assert [path.name for path in spools(bench)] == [bench.daemon.spool.id]


def test_a_stop_writes_what_was_adopted_and_what_was_accepted(make_bench: MakeBench) -> None:
    """A daemon that ends right after it has adopted a spool removes its own only when that is written, too."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.die()
    bench = make_bench(*ALL)
    bench.send("own")
    assert bench.daemon.finish(5)
    assert bench.volumes() == [4] * 4
    assert spools(bench) == []


def test_several_dead_daemons_are_written_one_after_the_other(make_bench: MakeBench) -> None:
    """Also the spool that an adopter left when it was killed itself is adopted by the next."""
    for number in range(3):
        dead = make_bench(*ALL)
        dead.send(f"of {number}")
        dead.die()
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [3] * 4
    assert len(spools(bench)) == 1


def test_a_spool_is_adopted_while_the_daemon_runs(make_bench: MakeBench) -> None:
    """Upkeep finds what a daemon left that died later."""
    dead, bench = make_bench(*ALL), make_bench(*ALL)
    dead.send("left")
    dead.die()
    bench.flush()
    assert bench.volumes() == [0] * 4
    bench.keep_up()
    bench.flush()
    assert bench.volumes() == [1] * 4


def test_a_spool_that_does_not_say_when_it_was_made_is_adopted(make_bench: MakeBench) -> None:
    """Also if neither its list of plugins nor its row in the database is there any more."""
    dead = make_bench(*ALL)
    dead.accept(*"abc")
    dead.die()
    (dead.daemon.spools / dead.daemon.spool.id / "plugins.json").unlink()
    dead.execute("DELETE FROM statscache_spool")
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [3] * 4


def test_a_spool_that_cannot_be_looked_at_keeps_no_other_waiting(make_bench: MakeBench) -> None:
    """A file in it that cannot be read is said, and the daemon starts and counts what the others hold."""
    for name in "ab":
        dead = make_bench(*ALL)
        dead.send(name)
        dead.die()
        if name == "a":
            (dead.daemon.spools / dead.daemon.spool.id / "stacks").mkdir()
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [1] * 4
    assert len(spools(bench)) == 2


def test_a_spool_whose_adoption_failed_is_adopted_later(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the database does not answer at that moment, the spools are free again for whoever comes next."""
    for number in range(2):
        dead = make_bench(*ALL)
        dead.send(f"of {number}")
        dead.die()
    with monkeypatch.context() as patch:
        patch.setattr("statscache.upkeep.adoption.positions", lambda engine, spools: fail(None))
        with pytest.raises(RuntimeError):
            make_bench(*ALL)
    bench = make_bench(*ALL)
    bench.flush()
    assert bench.volumes() == [2] * 4
