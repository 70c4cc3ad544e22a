"""Plugins that take notes from the bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from statscache.errors import Unstorable
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.recount.rebuild import rebuild
from statscache.history.recount.verify import Verification
from statscache.hosting.runner import only_upserts
from statscache.plugins import Message, Note, NoteModel, NotePlugin
from statscache.plugins.notes import FIRST, LAST, checked
from tests.support.bench import Bench, Good
from tests.support.recounting import HOURS, START, count_all
from tests.system.datagrepper import Archive

Make = Callable[..., Bench]
NOON = datetime(2024, 5, 31, 12, tzinfo=UTC)
GOOD = Note(NOON, None, "release", "1.0 is out", "https://example.org/1.0")


class WordNote(NoteModel):
    """The last message about each word."""

    __tablename__ = "test_word_note"


class Words(NotePlugin):
    """Notes each word, but for c."""

    name = summary = description = "words"
    model = WordNote

    def note_of(self, message: Message) -> Note | None:
        word = message["msg"]["word"]
        return None if word == "c" else Note(message.when, None, "other", word)

    def key_of(self, message: Message) -> str:
        return str(message["msg"]["word"])


class EachNote(NoteModel):
    """A note for each message."""

    __tablename__ = "test_each_note"


class Each(NotePlugin):
    """Notes each message as its body says."""

    name = summary = description = "each"
    model = EachNote

    def note_of(self, message: Message) -> Note | None:
        return replace(GOOD, start=message.when, **message["msg"]["word"])


def noted(bench: Bench, table: str = "test_word_note") -> list[Any]:
    """Return the rows of a table of notes."""
    return bench.execute(f"SELECT * FROM {table} ORDER BY key")


def send(bench: Bench, msg_id: str, word: Any, when: float) -> None:
    """Let a message come and be written."""
    bench.intake.accept({"topic": "a.b.c.d", "msg": {"word": word}, "timestamp": when, "msg_id": msg_id})
    bench.flush()


def test_a_note_is_written_once_whatever_comes_again(make_bench: Make) -> None:
    """Each message has its own, in whole seconds; what a plugin notes nothing of has none."""
    bench = make_bench(Words, Each)
    send(bench, "1", {"text": " 1.0  is\nout ", "stop": None}, 1000.75)
    send(bench, "1", {"text": "1.0 is out"}, 1000.75)
    assert noted(bench, "test_each_note") == [
        (
            *("1", datetime.fromtimestamp(1000.75, UTC), "1", datetime.fromtimestamp(1000, UTC), None),
            *("release", "1.0 is out", "https://example.org/1.0"),
        )
    ]


@pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
@pytest.mark.parametrize("at_once", [True, False])
def test_the_later_note_with_a_key_is_kept(order: tuple[int, ...], at_once: bool, make_bench: Make) -> None:
    """By whole seconds, then by id, whatever the order in which messages come, and in one flush or several."""
    bench = make_bench(Words)
    sent = [("z", 100.0), ("y", 200.9), ("x", 200.1), ("a", 200.5)]
    for place in order:
        msg_id, when = sent[place]
        body = {"topic": "a.b.c.d", "msg": {"word": "w"}, "timestamp": when, "msg_id": msg_id}
        bench.intake.accept(body)
        if not at_once:
            bench.flush()
    bench.flush()
    assert [row.msg_id for row in noted(bench)] == ["y"]


BAD: dict[str, dict[str, Any]] = {
    "no text": {"text": " \n"},
    "a text that is too long": {"text": "x" * 1001},
    "a text with NUL": {"text": "a\0b"},
    "a text with half a character": {"text": "a\ud800b"},
    "no such kind": {"kind": "party"},
    "a script": {"link": "javascript:alert(1)"},
    "a relative link": {"link": "/there"},
    "a link with a space": {"link": "https://example.org/a b"},
    "a link that is too long": {"link": "https://" + "x" * 2000},
    "a link with half a character": {"link": "https://\ud800"},
    "a stop before its start": {"stop": NOON - timedelta(seconds=1)},
    "the first instant of all": {"start": datetime(1, 1, 1, tzinfo=UTC)},
    "the last instant of all": {"start": datetime.max.replace(tzinfo=UTC)},
}


@pytest.mark.parametrize("wrong", BAD.values(), ids=BAD)
def test_what_no_note_can_hold_is_refused(wrong: dict[str, Any]) -> None:
    """With one sentence."""
    with pytest.raises(Unstorable) as refused:
        checked(replace(GOOD, **wrong))
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 250


@pytest.mark.parametrize(
    "note",
    [
        GOOD,
        replace(GOOD, stop=NOON),
        replace(GOOD, stop=NOON.astimezone(timezone(timedelta(hours=5)))),
        replace(GOOD, text="x" * 1000, link="https://" + "x" * 1992, kind="outage"),
        replace(GOOD, text="'\"\\{},\u202e", link="http://x/'\"\\{},"),
        replace(GOOD, link=None, start=FIRST, stop=LAST),
    ],
)
def test_what_a_note_can_hold_is_kept_as_it_is(note: Note, make_bench: Make) -> None:
    """Also what is at the edge, or stands for something in SQL."""

    class Fixed(Each):
        def note_of(self, message: Message) -> Note | None:
            return note

    bench = make_bench(Fixed)
    send(bench, "1", {}, 1000.0)
    assert not bench.quarantined("each")
    [row] = noted(bench, "test_each_note")
    assert Note(*row[3:]) == note


def test_a_note_that_cannot_be_kept_sets_its_message_aside_alone(make_bench: Make) -> None:
    """As with any plugin."""
    bench = make_bench(Each, Words)
    for number, word in enumerate([{"text": "one"}, {"kind": "party"}, {"text": "two"}]):
        send(bench, str(number), word, 1000.0)
    assert [row.text for row in noted(bench, "test_each_note")] == ["one", "two"]
    assert bench.quarantined("each") == ["1"]


@pytest.mark.parametrize(
    "values",
    [
        "'party', 'x', NULL, now(), NULL",
        "'other', '', NULL, now(), NULL",
        "'other', repeat('x', 1001), NULL, now(), NULL",
        "'other', 'x', 'javascript:alert(1)', now(), NULL",
        "'other', 'x', NULL, now(), now() - interval '1 second'",
        "'other', 'x', NULL, '-infinity', NULL",
        "'other', 'x', NULL, now(), 'infinity'",
        "'other', 'x', NULL, '0044-03-15 BC', NULL",
    ],
)
def test_the_table_itself_refuses_what_is_none(values: str, make_bench: Make) -> None:
    """Whoever writes it by hand."""
    bench = make_bench(Each)
    columns = "key, timestamp, msg_id, kind, text, link, start, stop"
    with pytest.raises(IntegrityError):
        bench.execute(f"INSERT INTO test_each_note ({columns}) VALUES ('k', now(), 'm', {values})")


def test_a_plugin_without_note_of_does_not_load() -> None:
    """It is named at the start, and not message by message."""
    with pytest.raises(TypeError, match="note_of"):
        type("Empty", (NotePlugin,), {"name": "x", "summary": "x", "description": "x"})(None, {})


def test_notes_are_upserts_that_any_daemon_may_send_with_others() -> None:
    """So that daemons flush side by side."""
    assert only_upserts(Words(None, {}))


def check(bench: Bench, archive: Archive) -> int:
    """Return how many rows a verification finds to differ."""
    source = Datagrepper(archive.url)
    report = Verification(bench.app, (), since=START, until=HOURS.stop, pauses=(0.0,)).run(source)
    assert report.checked
    return report.differing


def test_notes_are_verified_and_counted_again(make_bench: Make, two_hours: Archive) -> None:
    """Instants on the bus have fractions, which an archive has not: that is no difference; what was changed is one."""
    bench = make_bench(Good, Words)
    count_all(bench)
    before = [tuple(row) for row in noted(bench)]
    assert [row[0] for row in before] == ["a", "b"]
    assert check(bench, two_hours) == 0
    bench.execute("UPDATE test_word_note SET text = 'x' WHERE key = 'a'")
    bench.execute("DELETE FROM test_word_note WHERE key = 'b'")
    assert check(bench, two_hours) == 2
    rebuild(bench.app, Datagrepper(two_hours.url), ["words"], HOURS, print, pauses=(0.0,))
    whole = [(row[0], row[1].replace(microsecond=0), *row[2:]) for row in before]
    assert [tuple(row) for row in noted(bench)] == whole
    assert check(bench, two_hours) == 0
