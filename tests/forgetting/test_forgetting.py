"""Forgetting people: no row has their names any more, and every figure is what it was."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import DBAPIError
from urllib3 import Retry

from statscache.errors import StatscacheError
from statscache.forgetting.forgetting import Forgetting, Receipt, Wish
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.schema.bots import keep_bots
from statscache.span import Span
from tests.support.bench import Bench
from tests.support.forgetting import (
    ALL,
    NAME,
    Deeds,
    Refusing,
    Seen,
    States,
    body,
    figures,
    in_statistics,
    named,
)
from tests.support.recounting import START
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
OTHER = "another-person.of.us"
TOKEN = re.compile(r"forgotten-[0-9a-f]{20}")


@pytest.fixture(autouse=True)
def refusing() -> Iterator[None]:
    """The plugin that refuses does so, until a test says otherwise."""
    Refusing.refuses = True
    yield
    Refusing.refuses = True


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "forget.key"


@pytest.fixture
def bench(make_bench: Make, key_file: Path) -> Bench:
    """A daemon that has counted what three people did."""
    bench = make_bench(*ALL, forget_key=key_file)
    keep_bots(bench.engine, ())
    send(bench, range(30))
    return bench


def send(bench: Bench, numbers: Any) -> None:
    for number in numbers:
        bench.intake.accept(body(number, (NAME, OTHER, "carol")[number // 2 % 3], number // 10))
    bench.flush()


def forget(bench: Bench, *names: str) -> Receipt:
    return Forgetting(bench.engine, bench.app.settings.forget_key, [Wish(name) for name in names]).run()


def rename(bench: Bench, old: str, new: str) -> Receipt:
    return Forgetting(bench.engine, bench.app.settings.forget_key, [Wish(old, new)]).run()


def test_no_row_names_who_is_forgotten(bench: Bench) -> None:
    """In no column of any table, and totals, sets and numbers of people stay; two in one window stay two."""
    before = figures(bench)
    assert {table for table in named(bench.engine) if table.startswith("test_")} >= {
        "test_deeds",
        "test_state",
    }
    receipt = forget(bench, NAME, OTHER)
    assert (named(bench.engine), named(bench.engine, OTHER)) == ({}, {})
    assert figures(bench) == before
    assert receipt.rows["test_deeds.who"] == 2 * 2 * 3
    assert receipt.left == []
    tokens = bench.execute("SELECT DISTINCT who FROM test_seen")
    assert sum(TOKEN.fullmatch(who) is not None for (who,) in tokens) == 2


def test_the_planner_forgets_too(bench: Bench) -> None:
    """Its statistics hold values of rows, and a dump may hold them."""
    bench.execute("ANALYZE")
    assert in_statistics(bench.engine) >= {"test_deeds", "test_own"}
    forget(bench, NAME, OTHER)
    assert in_statistics(bench.engine) == in_statistics(bench.engine, OTHER) == set()


def test_later_messages_count_for_the_token(bench: Bench) -> None:
    """As they do when a running daemon has taken them before somebody was forgotten; nothing counts twice."""
    names = NAME, OTHER
    for number in (0, 2, 4, 30, 32, 34):  # of which some were counted
        bench.intake.accept(body(number, (NAME, OTHER, "carol")[number // 2 % 3], 0))
    forget(bench, *names)
    bench.flush()
    send(bench, range(36))
    forget_nobody = figures(bench)
    assert (named(bench.engine), named(bench.engine, OTHER)) == ({}, {})
    rows = bench.execute("SELECT sum(volume), count(DISTINCT who) FROM test_deeds WHERE what = 'a deed'")
    assert rows == [(36, 3)]
    assert bench.execute("SELECT count(*) FROM test_seen") == [(3,)]
    assert forget(bench, *names).rows == {}
    assert figures(bench) == forget_nobody


def test_what_waits_in_the_quarantine_counts_later_for_the_token(bench: Bench) -> None:
    """Under the ids by which the ledger knows the messages."""
    forget(bench, NAME, OTHER)
    Refusing.refuses = False
    assert bench.retry("refusing") == 30
    assert bench.execute("SELECT sum(volume), count(DISTINCT who) FROM test_refusing") == [(30, 3)]
    assert (named(bench.engine), named(bench.engine, OTHER)) == ({}, {})
    send(bench, range(30))
    assert bench.execute("SELECT sum(volume) FROM test_refusing") == [(30,)]


def test_a_rebuild_from_history_brings_no_name_back(make_bench: Make, key_file: Path) -> None:
    """Neither of counts nor of first times nor of states, and what it brings is what there was."""
    bodies = [body(number, (NAME, OTHER, "carol")[number % 3], number // 10) for number in range(30)]
    bench = make_bench(Deeds, Seen, States, forget_key=key_file)
    keep_bots(bench.engine, ())
    for each in bodies:
        bench.intake.accept(each)
    bench.flush()
    bench.execute(f"UPDATE statscache_coverage SET since = to_timestamp({START})")
    forget(bench, NAME, OTHER)
    bench.flush()
    tables = {
        name: bench.execute(f"SELECT * FROM {name} ORDER BY 1, 2") for name in ("test_deeds", "test_seen")
    }
    archive = Archive(bodies)
    try:
        source = Datagrepper(archive.url, retry=Retry(total=0))
        rebuild(bench.app, source, ["deeds"], Span(START, START + 600), print)
    finally:
        archive.close()
    assert (named(bench.engine), named(bench.engine, OTHER)) == ({}, {})
    again = {name: bench.execute(f"SELECT * FROM {name} ORDER BY 1, 2") for name in tables}
    assert again == tables


@pytest.mark.parametrize(
    "table", ["test_deeds", "test_topics", "test_state", "statscache_ledger", "test_their_lengths_event"]
)
def test_what_is_interrupted_is_done_again(bench: Bench, table: str) -> None:
    """The first transaction is undone as a whole, so that nobody is forgotten in half of the tables."""
    before, rows = figures(bench), named(bench.engine)
    bench.execute("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE ''no''; END'")
    bench.execute(f"CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON {table} EXECUTE FUNCTION refuse()")
    with pytest.raises(DBAPIError, match="no"):
        forget(bench, NAME)
    assert (figures(bench), named(bench.engine)) == (before, rows)
    bench.execute(f"DROP TRIGGER refuse ON {table}")
    send(bench, range(24, 30))
    forget(bench, NAME)
    assert (figures(bench), named(bench.engine)) == (before, {})


def test_renaming_puts_rows_together(bench: Bench) -> None:
    """Of one person under two names; later messages count for the new one."""
    volume, sizes = (
        bench.execute(f"SELECT sum({its}) FROM {table}")
        for its, table in (("volume", "test_deeds"), ("sum", "test_their_sizes"))
    )
    rename(bench, NAME, "carol")
    send(bench, range(30))
    assert named(bench.engine) == {}
    assert bench.execute("SELECT sum(volume) FROM test_deeds") == volume
    assert bench.execute("SELECT sum(sum) FROM test_their_sizes") == sizes
    assert bench.execute("SELECT DISTINCT who FROM test_seen ORDER BY 1") == [(OTHER,), ("carol",)]
    assert bench.execute("SELECT DISTINCT who FROM test_deeds WHERE what = 'a deed' ORDER BY 1") == [
        (OTHER,),
        ("carol",),
    ]


def test_who_was_renamed_is_forgotten_under_both_names(bench: Bench) -> None:
    """And a name that comes into use again names its person."""
    rename(bench, NAME, "carol")
    forget(bench, "carol")
    send(bench, range(36))
    assert (named(bench.engine), named(bench.engine, "carol")) == ({}, {})
    assert bench.execute("SELECT count(DISTINCT who) FROM test_seen") == [(2,)]
    rename(bench, OTHER, "dave")
    rename(bench, "dave", OTHER)
    send(bench, range(36, 42))
    assert named(bench.engine, "dave") == {}
    assert named(bench.engine, OTHER)


def test_a_look_changes_nothing(bench: Bench, key_file: Path) -> None:
    """And says what would be rewritten, as what rewrites it then does."""
    before = figures(bench), named(bench.engine)
    forgetting = Forgetting(bench.engine, key_file, [Wish(NAME)])
    seen = forgetting.look()
    assert (figures(bench), named(bench.engine)) == before
    assert not key_file.exists()
    assert seen.rows == forgetting.run().rows


def test_a_process_without_the_key_counts_nothing(bench: Bench, key_file: Path, make_bench: Make) -> None:
    """Neither one that runs nor one that starts, until it has the right one; nothing is lost."""
    forget(bench, NAME)
    key = key_file.read_text()
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert key.strip() not in "".join(str(row) for row in bench.execute("SELECT * FROM statscache_forgotten"))
    bench.flush()
    for wrong, said in (
        (None, "the key for that is not in"),
        ("0" * 64, "by another key"),
        ("x", "is no key"),
    ):
        key_file.unlink(missing_ok=True)
        if wrong:
            key_file.write_text(wrong)
        with pytest.raises(StatscacheError, match=said):
            make_bench(*ALL, forget_key=key_file)
        with pytest.raises(StatscacheError, match=said):
            forget(bench, OTHER)
    later = (
        Bench(bench.engine.url.render_as_string(False), bench.app.settings.spools, *ALL, forget_key=key_file)
        if False
        else None
    )
    assert later is None


def test_a_daemon_that_lacks_the_key_keeps_what_it_cannot_count(make_bench: Make, tmp_path: Path) -> None:
    """Somebody was forgotten elsewhere; once the key is copied, all counts."""
    key, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    bench = make_bench(*ALL, forget_key=key)
    keep_bots(bench.engine, ())
    send(bench, range(6))
    Forgetting(bench.engine, elsewhere, [Wish(NAME)]).run()
    bench.intake.accept(body(6, NAME))
    with pytest.raises(StatscacheError, match="the key for that is not in"):
        bench.flush()
    key.write_text(elsewhere.read_text())
    bench.flush()
    assert bench.execute("SELECT sum(volume) FROM test_deeds WHERE what = 'a deed'") == [(7,)]
    assert named(bench.engine) == {}


def test_a_bot_is_not_forgotten(bench: Bench) -> None:
    """What stands for it would be a person."""
    keep_bots(bench.engine, ["qz*"])
    with pytest.raises(StatscacheError, match="is a bot by"):
        forget(bench, NAME)
    assert bench.execute("SELECT count(*) FROM statscache_forgotten") == [(0,)]


@pytest.mark.parametrize("name", ["", " ", "a\0b", "forgotten-" + "0" * 20])
def test_what_is_no_name_is_not_forgotten(bench: Bench, name: str) -> None:
    """Nor is a token."""
    with pytest.raises(StatscacheError, match="not a name"):
        forget(bench, name)


def test_nobody_is_forgotten_while_a_daemon_may_run_that_knows_nothing_of_it(bench: Bench) -> None:
    """It would write the name again."""
    bench.execute("INSERT INTO statscache_spool (id, position, updated) VALUES ('earlier', 0, now())")
    with pytest.raises(StatscacheError, match=r"before 1\.0\.0 .* would write the names again: stop it"):
        forget(bench, NAME)
    bench.execute("DELETE FROM statscache_spool WHERE id = 'earlier'")
    forget(bench, NAME)
    assert named(bench.engine) == {}
