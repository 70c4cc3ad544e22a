"""When something was seen first and last: each table equals what a program computes, whatever comes in which order."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3 import Retry

from statscache.errors import StatscacheError
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.sample import Sample
from statscache.history.recount.verify import Verification
from statscache.hosting.runner import only_upserts
from statscache.plugins import FirstSeenPlugin, Message, first_seen_model
from statscache.plugins.keyed import person_of
from statscache.span import Span
from tests.support.bench import Bench, Good
from tests.support.recounting import HOURS, START, body, count_all
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
Times = dict[tuple[str, str], tuple[int, int]]


class Words(FirstSeenPlugin):
    """Notes when each word was seen, twice over."""

    name = summary = description = "words seen"
    model = first_seen_model("test_words_seen", "words", person="word", word="the word", kind="of what kind")

    def process(self, message: Message) -> None:
        self.seen(message, message["msg"]["word"], "a word")
        self.seen(message, message["msg"]["word"], message.topic)


def seen(bench: Bench) -> Times:
    """Return the table."""
    query = "SELECT word, kind, extract(epoch FROM first), extract(epoch FROM last) FROM test_words_seen"
    return {(word, kind): (int(first), int(last)) for word, kind, first, last in bench.execute(query)}


def expected(sent: list[tuple[float, str]]) -> Times:
    """Return what the table must hold, by loops alone."""
    times: dict[tuple[str, str], tuple[int, int]] = {}
    for when, word in sent:
        for kind in ("a word", "a.b.c.d"):
            first, last = times.get((word, kind), (int(when), int(when)))
            times[word, kind] = min(first, int(when)), max(last, int(when))
    return times


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.floats(0, 300_000_000), st.sampled_from("abc")), max_size=30),
    st.sets(st.integers(0, 30)),
)
def test_every_cell_is_as_computed(make_bench: Make, sent: list[tuple[float, str]], cuts: set[int]) -> None:
    """Whatever the order in which messages come, and however they are split over flushes."""
    bench = _bench(make_bench)
    for number, (when, word) in enumerate(sent):
        message = {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": when, "msg_id": f"m{number}"}
        bench.intake.accept(message)
        bench.intake.accept(message)
        if number in cuts:
            bench.flush()
    bench.flush()
    assert seen(bench) == expected(sent)


_made: dict[Any, Bench] = {}


def _bench(make_bench: Make) -> Bench:
    """Return a daemon that is made once for all examples, with nothing counted yet."""
    if make_bench not in _made:
        _made.clear()
        _made[make_bench] = make_bench(Words)
    bench = _made[make_bench]
    bench.execute("TRUNCATE test_words_seen, statscache_ledger")
    return bench


def test_several_daemons_write_at_once(make_bench: Make, tmp_path: Any) -> None:
    """In one order, with the COMMIT."""
    benches = [make_bench(Words, spool_directory=tmp_path / f"spool{n}") for n in range(3)]
    assert all(only_upserts(bench.app.parts[0].plugin) for bench in benches)
    sent = [(1000.0 + (n * 37) % 500, "abcdefgh"[n % 8]) for n in range(600)]

    def run(place: int) -> None:
        for number in range(place, len(sent), 3):
            when, word = sent[number]
            benches[place].intake.accept(
                {"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": when, "msg_id": f"m{number}"}
            )
            if number % 50 == place:
                benches[place].flush()
        benches[place].flush()

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, range(3)))
    assert seen(benches[0]) == expected(sent)


def source(archive: Archive) -> Datagrepper:
    return Datagrepper(archive.url, retry=Retry(total=0))


@pytest.fixture
def counted(make_bench: Make) -> Bench:
    """A daemon that has counted two hours, from which on it wants history."""
    bench = make_bench(Words, Good)
    count_all(bench)
    bench.execute(f"UPDATE statscache_coverage SET since = to_timestamp({START})")
    return bench


def rows(report: Any) -> list[Any]:
    """Return how many seconds were compared of the table, and what differs."""
    (finding,) = (each for each in report.findings if each.target.table.name == "test_words_seen")
    return [finding.windows, finding.differences.total, finding.skipped]


def test_all_of_it_is_verified_and_no_part(counted: Bench, two_hours: Archive) -> None:
    found = Verification(counted.app, [], until=HOURS.stop).run(source(two_hours))
    assert rows(found) == [7200, 0, ""]
    counted.execute("UPDATE test_words_seen SET first = first + interval '1 second' WHERE word = 'a'")
    assert rows(Verification(counted.app, [], until=HOURS.stop).run(source(two_hours)))[:2] == [7200, 2]
    for arguments in ({"since": START + 60}, {"sample": Sample(3, 1)}):
        found = Verification(counted.app, [], until=HOURS.stop, **arguments).run(source(two_hours))  # type: ignore[arg-type]
        assert rows(found)[0] == 0
        assert "for all time only" in rows(found)[2]


@pytest.mark.parametrize(
    "wrong",
    [
        "UPDATE test_words_seen SET first = first - interval '1 day' + interval '1 day 7 seconds' WHERE word < 'd'",
        "UPDATE test_words_seen SET last = last - interval '50 minutes' WHERE word = 'b'",
        "DELETE FROM test_words_seen WHERE word = 'c'",
        f"INSERT INTO test_words_seen VALUES ('never', 'x', to_timestamp({START}), to_timestamp({START + 9}))",
    ],
)
def test_it_is_counted_again_as_a_whole(counted: Bench, two_hours: Archive, wrong: str) -> None:
    """And what is known from after the time stays."""
    right = seen(counted)
    later = body(1, "later", 8000.0) | {"msg_id": "later"}, body(2, "a", 8001.0) | {"msg_id": "again"}
    for message in later:
        counted.intake.accept(message)
    counted.flush()
    counted.execute(wrong)
    rebuild(counted.app, source(two_hours), ["words seen"], HOURS, print)
    after = START + 8001
    assert seen(counted) == {
        **{key: (first, after if key[0] == "a" else last) for key, (first, last) in right.items()},
        ("later", "a word"): (START + 8000, START + 8000),
        ("later", "a.b.c.d"): (START + 8000, START + 8000),
    }


def test_what_cannot_be_known_is_told(counted: Bench, two_hours: Archive) -> None:
    """A row that says it was seen in that time, in which it was not, and later: when it was first, nothing tells."""
    counted.execute(
        f"INSERT INTO test_words_seen VALUES ('x', 'y', to_timestamp({START}), to_timestamp({START + 9000}))"
    )
    before = seen(counted)
    with pytest.raises(StatscacheError, match="nothing was changed: x, y in test_words_seen was not seen"):
        rebuild(counted.app, source(two_hours), ["words seen"], HOURS, print)
    assert seen(counted) == before


def test_no_part_is_counted_again(counted: Bench, two_hours: Archive) -> None:
    told: list[str] = []
    part = Span(START + 3600, HOURS.stop)
    rebuild(counted.app, source(two_hours), [], part, told.append)
    assert any("words seen cannot be counted again for" in sentence for sentence in told)
    with pytest.raises(StatscacheError, match="nothing to count again"):
        rebuild(counted.app, source(two_hours), ["words seen"], part, told.append)


def test_a_model_needs_keys_of_its_own() -> None:
    assert person_of(Words.model) == "word"
    for keys in ({}, {"first": "x"}):
        with pytest.raises(ValueError, match="needs keys, of which none is called first or last"):
            first_seen_model("test_no_seen", "words", **keys)


def test_a_wrong_number_of_keys_is_told(make_bench: Make) -> None:
    plugin: Any = make_bench(Words).app.parts[0].plugin
    with pytest.raises(TypeError, match="seen takes the keys of test_words_seen, word, kind, and got 1"):
        plugin.seen(Message(body(1), None), "x")  # type: ignore[arg-type]
