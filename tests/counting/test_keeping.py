"""Where two buses are listened to, a bridge's copy waits for its original, and each message counts once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from statscache.database.lock import counting_shared
from statscache.health.checks import Health
from statscache.health.collector import make_registry
from statscache.history.archives.archive import Slice
from statscache.history.slice_counter import SliceCounter
from statscache.messages.message import Message
from statscache.span import Span
from tests.support.bench import Bad, Bench, Good, Keeper, Other, fail
from tests.support.bridged import (
    START,
    WAYS,
    AmqpBus,
    Both,
    copied_to_amqp,
    copied_to_fedmsg,
    on_amqp,
    on_fedmsg,
)

Make = Callable[..., Bench]
#: The copy is a minute later than the original, so that it would count in another window.
LATER = 90


@pytest.fixture(autouse=True)
def no_trouble() -> None:
    """The plugin that can fail does not, until a test says so."""
    Bad.trouble = staticmethod(lambda session: None)


@pytest.fixture
def both(make_bench: Make) -> Both:
    """A daemon on each bus, with plugins of each kind."""
    return Both(make_bench, Good, Bad, Keeper, Other)


def assert_once(both: Both, minutes: dict[str, int]) -> None:
    """Check that each word counts once for each plugin, in its minute."""
    expected = {word: [(minute, 1)] for word, minute in minutes.items()}
    for table in ("test_good", "test_bad", "test_other"):
        assert both.cells(table) == expected
    assert both.fedmsg.volume("test_keeper") == len(minutes)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("first", ["original", "copy"])
def test_the_time_of_the_original_decides(way: str, first: str, both: Both) -> None:
    """Whichever of the two comes first, and whichever way the bridge goes."""
    original, copy = (make(1, second) for make, second in zip(WAYS[way], (0, LATER), strict=True))
    if first == "original":
        both.send(original, copy)
        assert both.kept() == []
    else:
        both.send(copy)
        assert both.kept() == [(1, way, LATER)]
        assert both.cells() == {}
        both.send(original)
    both.time_is_over()
    assert both.kept() == []
    assert_once(both, {"m1": 0})


@pytest.mark.parametrize("way", WAYS)
def test_a_copy_whose_original_never_comes_counts_by_its_own_time(way: str, both: Both) -> None:
    """Once its time is over, and not before."""
    both.send(WAYS[way][1](1, LATER))
    for bench in (both.fedmsg, both.amqp):
        bench.keep_up()
        registry = make_registry(lambda bench=bench: Health(bench.daemon.parts))
        assert registry.get_sample_value("statscache_kept_back_messages") == 1
    assert both.cells() == {}
    both.time_is_over()
    assert_once(both, {"m1": 1})
    both.send(WAYS[way][0](1, 0), WAYS[way][1](1, LATER))
    both.time_is_over()
    assert_once(both, {"m1": 1})


@pytest.mark.parametrize("way", WAYS)
def test_copy_and_original_in_one_flush(way: str, both: Both) -> None:
    """Over one bus, as when a bridge copies a copy back to where the original came from."""
    make = on_fedmsg if way == "fedmsg" else on_amqp
    copy = copied_to_fedmsg if way == "fedmsg" else copied_to_amqp
    daemon = both.of(make(1, 0))
    daemon.intake.accept_all([copy(1, LATER), make(1, 0), make(2, 0), copy(2, LATER)])
    daemon.intake.accept_all([copy(3, LATER)])
    daemon.intake.accept_all([make(3, 0), copy(3, LATER)])
    daemon.flush()
    assert both.kept() == []
    assert_once(both, {"m1": 0, "m2": 0, "m3": 0})


def test_of_several_copies_without_an_original_the_earliest_counts(both: Both) -> None:
    """A copy of a copy is later than what it copies, in whichever order the two come."""
    both.send(copied_to_fedmsg(1, 2 * LATER), copied_to_amqp(1, LATER))
    both.send(copied_to_amqp(2, LATER), copied_to_fedmsg(2, 2 * LATER))
    assert len(both.kept()) == 4
    both.time_is_over()
    assert both.kept() == []
    assert_once(both, {"m1": 1, "m2": 1})


def test_a_copy_that_comes_again_is_kept_once(both: Both) -> None:
    """To one daemon, and to another one on the same bus, also when it counts already."""
    another = both.make("amqp")
    copy = copied_to_amqp(1, LATER)
    for bench in (both.amqp, another, both.amqp):
        bench.intake.accept(copy)
        bench.flush()
    assert both.kept() == [(1, "fedmsg", LATER)]
    both.time_is_over(another, both.amqp)
    another.intake.accept(copy)
    another.flush()
    assert both.kept() == []
    assert_once(both, {"m1": 1})


def test_a_daemon_that_dies_leaves_what_it_keeps_back_to_the_others(both: Both) -> None:
    """They count it once its time is over, or its original; so does one that starts."""
    both.send(copied_to_amqp(1, LATER), copied_to_amqp(2, LATER))
    both.amqp.die()
    both.send(on_fedmsg(1, 0))
    both.time_is_over(both.fedmsg)
    assert_once(both, {"m1": 0, "m2": 1})


def test_a_daemon_that_dies_before_it_keeps_a_copy_back_leaves_it_in_its_spool(both: Both) -> None:
    """Whoever adopts the spool keeps it back then, also a daemon on the other bus."""
    both.send(copied_to_amqp(1, LATER), flush=False)
    both.amqp.die()
    both.fedmsg.keep_up()
    both.fedmsg.flush()
    assert both.kept() == [(1, "fedmsg", LATER)]
    both.send(on_fedmsg(1, 0))
    both.time_is_over(both.fedmsg)
    assert_once(both, {"m1": 0})


@pytest.mark.parametrize("step", ["kept back", "counted"])
def test_a_transaction_that_fails_changes_nothing(step: str, both: Both) -> None:
    """Neither where copies are kept back nor where they count: it is done again."""

    def cut(session: Any) -> None:
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    copy = copied_to_amqp(1, LATER)
    both.amqp.intake.accept(copy)
    if step == "kept back":
        both.amqp.intake.accept(on_amqp(2, 0))
        Bad.trouble = staticmethod(cut)
        with pytest.raises(Exception, match=r"terminat|closed"):
            both.amqp.flush()
        assert both.kept() == []
        Bad.trouble = staticmethod(lambda session: None)
        both.amqp.flush()
    else:
        both.amqp.flush()
        both.amqp.execute("UPDATE statscache_kept_back SET until = now()")
        Bad.trouble = staticmethod(cut)
        with pytest.raises(Exception, match=r"terminat|closed"):
            both.amqp.daemon.writer.release()
        Bad.trouble = staticmethod(lambda session: None)
    assert both.kept() == [(1, "fedmsg", LATER)]
    both.time_is_over()
    assert_once(both, {"m1": 1} | ({"m2": 0} if step == "kept back" else {}))


def test_a_plugin_that_fails_for_a_copy_costs_the_others_nothing(both: Both) -> None:
    """The copy goes to the quarantine for it, and counts there when it works again."""
    both.send(copied_to_amqp(1, LATER))
    Bad.trouble = staticmethod(fail)
    both.time_is_over()
    Bad.trouble = staticmethod(lambda session: None)
    assert both.cells() == {"m1": [(1, 1)]}
    assert len(both.amqp.quarantined("bad")) == 1
    both.send(on_fedmsg(1, 0))
    assert both.amqp.retry("bad") == 1
    assert_once(both, {"m1": 1})


def test_plugins_that_only_the_daemon_has_that_keeps_a_copy_back_get_it(make_bench: Make) -> None:
    """By the time of the original, which counted without them, through the quarantine where need be."""
    both = Both(make_bench, Good, Bad, Keeper, Other)
    fewer = make_bench(Good, Keeper)
    both.send(copied_to_amqp(1, LATER), copied_to_amqp(2, LATER))
    fewer.keep_up()
    fewer.intake.accept(on_fedmsg(1, 0))
    fewer.flush()
    both.time_is_over(fewer)
    assert both.cells() == {"m1": [(0, 1)], "m2": [(1, 1)]}
    assert both.cells("test_other") == {}
    both.amqp.keep_up()
    assert_once(both, {"m1": 0, "m2": 1})


def test_a_plugin_that_lacks_a_counted_message_gets_it_by_the_time_that_counts(make_bench: Make) -> None:
    """A copy that comes when the message has counted without some plugins."""
    both = Both(make_bench, Good, Bad, Keeper, Other)
    fewer = make_bench(Good, Keeper)
    fewer.intake.accept(on_fedmsg(1, 0))
    fewer.flush()
    both.send(copied_to_amqp(1, LATER), on_fedmsg(2, 0))
    assert both.kept() == []
    assert_once(both, {"m1": 0, "m2": 0})


@pytest.mark.parametrize("way", WAYS)
def test_no_other_daemon_flushes_while_a_copy_is_kept_back(way: str, both: Both) -> None:
    """It could cover the time of the copy just then."""
    copy = WAYS[way][1](1, LATER)
    bench = both.of(copy)
    bench.intake.accept(copy)
    with ThreadPoolExecutor(1) as pool:
        with counting_shared(both.fedmsg.engine):
            flush = pool.submit(bench.flush)
            with pytest.raises(TimeoutError):
                flush.result(0.5)
        flush.result(10)
    assert both.kept() == [(1, way, LATER)]


def test_with_a_single_bus_nothing_is_kept_back(make_bench: Make) -> None:
    """A copy counts at once, handed to plugins as it comes."""
    amqp = make_bench(Good, bus=AmqpBus())
    amqp.intake.accept(copied_to_amqp(1, LATER))
    batch = amqp.daemon.backlog.next()
    assert batch is not None
    assert (len(batch.refs), len(batch.taken["good"].items), batch.copies.refs) == (1, 1, {})
    amqp.daemon.commits._commit(batch)
    assert amqp.volume("test_good") == 1
    assert amqp.execute("SELECT * FROM statscache_kept_back") == []


def test_nothing_is_kept_back_for_a_bus_that_is_listened_to_no_more(both: Both) -> None:
    """From when its row is deleted, and what is kept back then counts when its time is over."""
    both.send(copied_to_amqp(1, LATER))
    both.fedmsg.execute("DELETE FROM statscache_bus WHERE bus = 'fedmsg'")
    both.send(copied_to_amqp(2, LATER))
    assert both.kept() == [(1, "fedmsg", LATER)]
    both.amqp.keep_up()
    both.send(copied_to_amqp(3, LATER))
    both.time_is_over(both.amqp)
    assert both.kept() == []
    assert_once(both, {"m1": 1, "m2": 1, "m3": 1})


def test_a_setting_turns_it_off(make_bench: Make) -> None:
    """Then the first that comes decides; what another daemon keeps back counts all the same."""
    both = Both(make_bench, Good, Bad, Keeper, Other, bridges_wait=0.0)
    both.send(copied_to_amqp(1, LATER))
    assert both.cells() == {"m1": [(1, 1)]}
    keeps = both.make("amqp", bridges_wait=5.0)
    keeps.intake.accept(copied_to_amqp(2, LATER))
    keeps.flush()
    assert both.kept() == [(2, "fedmsg", LATER)]
    both.time_is_over(both.fedmsg)
    assert_once(both, {"m1": 1, "m2": 1})


def test_copies_wait_as_long_as_the_setting_says(both: Both) -> None:
    """By default ten seconds, by the database's clock; a clock that was set back keeps nothing for a day."""
    both.send(copied_to_amqp(1, LATER))
    waits = "SELECT until - now() BETWEEN interval '8 s' AND interval '10 s' FROM statscache_kept_back"
    assert both.amqp.execute(waits) == [(True,)]
    both.amqp.execute("UPDATE statscache_kept_back SET until = now() + interval '2 days'")
    both.amqp.daemon.writer.release()
    assert_once(both, {"m1": 1})


def test_more_copies_than_fit_into_one_transaction_count_one_part_after_the_other(
    both: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bounded in number and in bytes."""
    monkeypatch.setattr("statscache.store.kept_back.RELEASED", 7)
    monkeypatch.setattr("statscache.store.kept_back.BYTES", 2000)
    both.amqp.intake.accept_all([copied_to_amqp(number, LATER) for number in range(1, 31)])
    both.amqp.flush()
    both.amqp.execute("UPDATE statscache_kept_back SET until = now()")
    both.amqp.daemon.writer.release()
    assert 20 < len(both.kept()) < 30
    both.amqp.keep_up()
    assert_once(both, {f"m{number}": 1 for number in range(1, 31)})


def test_a_copy_of_a_time_that_is_complete_counts_at_once(both: Both) -> None:
    """No message may be lacking there, not even for a moment."""
    both.amqp.execute(
        "UPDATE statscache_coverage SET covered = tstzmultirange(tstzrange(NULL, to_timestamp(:stop)))",
        stop=START + LATER + 1,
    )
    both.send(copied_to_amqp(1, LATER), copied_to_amqp(2, LATER + 1))
    assert both.kept() == [(2, "fedmsg", LATER + 1)]
    assert both.cells() == {"m1": [(1, 1)]}


def test_the_ledger_keeps_messages_of_which_a_copy_is_kept_back(both: Both) -> None:
    """However long no daemon runs: nothing else knows that the copy counts already."""
    both.send(copied_to_amqp(1, LATER), on_fedmsg(1, 0), on_fedmsg(2, 0))
    both.amqp.execute("UPDATE statscache_ledger SET counted_at = now() - interval '9 days'")
    both.amqp.execute("UPDATE statscache_coverage SET covered = tstzmultirange(tstzrange(NULL, now()))")
    both.amqp.keep_up()
    assert both.amqp.execute("SELECT count(*) FROM statscache_ledger") == [(1,)]
    both.time_is_over()
    assert_once(both, {"m1": 0, "m2": 0})


def test_an_archive_that_has_a_message_of_long_ago_is_not_counted_beside_its_copy(both: Both) -> None:
    """As where no daemon has run for longer than the ledger reaches, while the archive filled the gap."""
    both.send(copied_to_amqp(1, LATER))
    assert time.time() - 8 * 86_400 > START
    history = SliceCounter(both.fedmsg.app)
    history.count(Slice(Span(START, START + 60), [on_fedmsg(1, 0)]), both.fedmsg.app.writer.plugins)
    both.time_is_over()
    assert both.kept() == []
    assert_once(both, {"m1": 0})


def test_what_an_archive_or_a_file_has_is_not_kept_back(both: Both) -> None:
    """It has its own time. A copy that is kept back then counts no more."""
    both.send(copied_to_amqp(1, LATER))
    history = SliceCounter(both.fedmsg.app)
    found = Slice(Span(START, START + 180), [copied_to_amqp(1, LATER), copied_to_fedmsg(2, LATER)])
    history.count(found, both.fedmsg.app.writer.plugins)
    history.count_loose([Message(copied_to_amqp(3, LATER))])
    assert_once(both, {"m1": 1, "m2": 1, "m3": 1})
    assert both.kept() == [(1, "fedmsg", LATER)]
    both.time_is_over()
    both.send(on_fedmsg(1, 0))
    assert_once(both, {"m1": 1, "m2": 1, "m3": 1})
