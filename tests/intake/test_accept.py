"""The way in: which messages are accepted, which are rejected, and when they are only spooled."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Iterable, Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.hosting.dispatch import Taken
from statscache.intake import accept as intake_module
from statscache.intake.accept import Intake
from statscache.messages import rules
from statscache.messages.message import END_OF_TIME, Message
from statscache.spool.directory import make_spool
from tests.support.messages import TOPIC

SPOOLS = tempfile.TemporaryDirectory(prefix="statscache-spools-", ignore_cleanup_errors=True)
NO_TOPIC = "no topic"
NO_TIMESTAMP = "no timestamp"
NOT_A_NUMBER = "the timestamp is not a number"
OUTSIDE = "the timestamp is not between 1970 and 9999"

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
edges = st.sampled_from(
    [0, -0.0, -1, -5e-324, END_OF_TIME, END_OF_TIME - 1, END_OF_TIME - 0.001, 10**400, math.nan, math.inf]
)
bodies = st.fixed_dictionaries(
    {},
    optional={
        "topic": st.just(TOPIC) | st.text() | json_values,
        "timestamp": st.floats(0, END_OF_TIME) | edges | json_values,
        "msg": json_values,
        "msg_id": st.text(max_size=210) | json_values,
        "username": json_values,
    },
)


class Recorder:
    """Stands for the plugins, and keeps what it is handed."""

    def __init__(self) -> None:
        self.taken: list[Message] = []

    def take(self, messages: Iterable[Message]) -> None:
        self.taken += messages

    def cut(self) -> dict[str, Taken]:
        return {"recorder": Taken([message.second for message in self.taken])}


class Broken:
    """A naming that can name nobody."""

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        raise RuntimeError("no names")

    packages = usernames


def make(
    recorder: Any = None, naming: Any = rules, memory: int = 1 << 26, limit: int = 1 << 30, **more: Any
) -> Intake:
    """Return an intake on a new spool, in a directory that goes with the process."""
    spool = make_spool(Path(SPOOLS.name), ["recorder"], limit)
    return Intake(spool, recorder or Recorder(), naming, memory, **more)


def usable(timestamp: Any) -> bool:
    """The rule, in the words of the documentation."""
    is_number = isinstance(timestamp, int | float) and not isinstance(timestamp, bool)
    return (
        is_number
        and not (isinstance(timestamp, float) and not math.isfinite(timestamp))
        and (0 <= timestamp < 253402300800)
    )


@given(bodies)
def test_a_message_is_accepted_by_its_topic_and_timestamp_alone(body: dict[str, Any]) -> None:
    """Whatever comes, nothing is raised, and only a text as topic and a usable timestamp matter."""
    recorder = Recorder()
    intake = make(recorder)
    topic = body.get("topic")
    expected = isinstance(topic, str) and topic != "" and usable(body.get("timestamp"))
    assert intake.accept(body) is expected
    assert len(recorder.taken) == intake.accepted == expected
    assert intake.rejected.total() == (not expected)


@given(bodies)
def test_an_accepted_message_can_be_asked_for_all_it_tells(body: dict[str, Any]) -> None:
    """What plugins read from a message is there for every message that they get."""
    recorder = Recorder()
    if make(recorder).accept(body):
        [message] = recorder.taken
        assert message.second == math.floor(body["timestamp"])
        assert math.floor(message.when.timestamp()) == message.second
        assert message.when.utcoffset() is not None
        assert isinstance(message.id, str)
        assert message.id
        assert isinstance(message.usernames, frozenset)
        assert isinstance(message.packages, frozenset)
        assert message.topic == body["topic"]


def test_names_are_asked_for_by_plugins_only() -> None:
    """A processor that raises is no matter of the intake."""
    assert make(Recorder(), Broken()).accept({"topic": TOPIC, "timestamp": 1})


@pytest.mark.parametrize(
    "timestamp", [0, -0.0, 0.5, 1, 1451606400, 1451606400.75, 253402300799, 253402300799.5]
)
def test_numbers_from_1970_to_9999_are_timestamps(timestamp: float) -> None:
    """Both ends of the range, and fractions, are accepted."""
    assert make().accept({"topic": TOPIC, "timestamp": timestamp})


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, NO_TOPIC),
        ({"topic": None, "timestamp": 1}, NO_TOPIC),
        ({"topic": "", "timestamp": 1}, NO_TOPIC),
        ({"topic": 7, "timestamp": 1}, NO_TOPIC),
        ({"topic": [TOPIC], "timestamp": 1}, NO_TOPIC),
        ({"topic": TOPIC}, NO_TIMESTAMP),
        ({"topic": TOPIC, "timestamp": None}, NO_TIMESTAMP),
        ({"topic": TOPIC, "timestamp": True}, NOT_A_NUMBER),
        ({"topic": TOPIC, "timestamp": "1451606400"}, NOT_A_NUMBER),
        ({"topic": TOPIC, "timestamp": [1]}, NOT_A_NUMBER),
        ({"topic": TOPIC, "timestamp": {}}, NOT_A_NUMBER),
        ({"topic": TOPIC, "timestamp": -1}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": -0.001}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": 253402300800}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": 1451606400000}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": 10**400}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": math.nan}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": math.inf}, OUTSIDE),
        ({"topic": TOPIC, "timestamp": -math.inf}, OUTSIDE),
    ],
)
def test_a_rejected_message_is_counted_and_told_by_its_reason(
    body: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    """One of a few reasons is counted, and the log says it once with what there is of the message."""
    recorder = Recorder()
    intake = make(recorder)
    assert intake.accept({**body, "msg_id": "2016-abc"}) is False
    assert intake.rejected.counts == {reason: 1}
    assert intake.accepted == 0
    assert not recorder.taken
    [record] = caplog.records
    assert reason in record.getMessage()
    assert "2016-abc" in record.getMessage()
    assert "\n" not in record.getMessage()


def test_a_flood_of_rejected_messages_is_told_at_powers_of_two(caplog: pytest.LogCaptureFixture) -> None:
    """The 1st, 2nd, 4th and so on are logged, of each reason apart from the others."""
    intake = make()
    for _ in range(20):
        intake.accept({"topic": TOPIC})
        intake.accept({"timestamp": 1})
    for reason in (NO_TIMESTAMP, NO_TOPIC):
        told = [record.args[-1] for record in caplog.records if record.args and record.args[0] == reason]  # type: ignore[index]
        assert told == [1, 2, 4, 8, 16]
    assert intake.rejected.counts == {NO_TIMESTAMP: 20, NO_TOPIC: 20}
    assert intake.rejected.total() == 40


def test_a_huge_message_is_told_in_few_words(caplog: pytest.LogCaptureFixture) -> None:
    """What a log line quotes of a message is cut short."""
    make().accept({"topic": TOPIC * 1000, "timestamp": "9" * 100_000, "msg_id": "x\n" * 100_000})
    assert len(caplog.records[0].getMessage()) < 1000
    assert "\n" not in caplog.records[0].getMessage()


def test_a_batch_holds_what_was_taken_up_to_its_cut() -> None:
    """Each cut has the messages since the last one, and the plugins were handed exactly these."""
    recorder = Recorder()
    intake = make(recorder)
    assert intake.cut() is None
    for number in range(3):
        intake.accept({"topic": TOPIC, "timestamp": number, "msg_id": str(number)})
    first = intake.cut()
    intake.accept({"topic": TOPIC, "timestamp": 3, "msg_id": "3"})
    second = intake.cut()
    assert first is not None
    assert second is not None
    assert (list(first.refs), first.taken["recorder"].items) == (["0", "1", "2"], [0, 1, 2])
    assert (list(second.refs), second.taken["recorder"].items) == (["3"], [0, 1, 2, 3])
    assert (first.start, first.end) == (0, second.start)
    assert [message.second for message in first.messages(first.refs)] == [0, 1, 2]
    assert [message.second for message in second.messages(second.refs)] == [3]


def test_a_message_that_comes_twice_within_a_batch_is_taken_once() -> None:
    """A second delivery before the flush is accepted, and neither spooled nor handed on again."""
    recorder = Recorder()
    intake = make(recorder)
    for _ in range(3):
        assert intake.accept({"topic": TOPIC, "timestamp": 1, "msg_id": "same"})
    assert (len(recorder.taken), intake.accepted, intake.duplicates) == (1, 3, 2)


few_messages = st.lists(
    st.fixed_dictionaries(
        {
            "topic": st.sampled_from([TOPIC, ""]),
            "timestamp": st.integers(0, 3),
            "msg_id": st.sampled_from("abcdef"),
        },
        optional={"msg": st.sampled_from(["x" * 10, "x" * 300])},
    ),
    max_size=20,
)


@given(few_messages, st.lists(st.integers(1, 8), min_size=1), st.sampled_from([1 << 30, 400, 1000]))
def test_messages_taken_together_are_taken_as_one_by_one(
    contents: list[dict[str, Any]], lengths: list[int], limit: int
) -> None:
    """However they come together: what is accepted, rejected, lost, known and handed on is the same, in order."""
    alone, together = Recorder(), Recorder()
    one, other = make(alone, limit=limit), make(together, limit=limit)
    counted = [body["msg_id"] for body in contents if one.accept(body)]
    counted_together: list[str] = []
    rest, sizes = list(contents), cycle(lengths)
    while rest:
        size = next(sizes)
        some, rest = rest[:size], rest[size:]
        counted_together += [message["msg_id"] for message in other.accept_all(some)]
    assert counted_together == counted
    assert together.taken == alone.taken
    figures = [
        (it.accepted, it.duplicates, it.rejected.counts, it.lost.counts, it.position) for it in (one, other)
    ]
    assert figures[0] == figures[1]
    first, second = one.cut(), other.cut()
    assert (first and (first.refs, first.seconds, first.end)) == (
        second and (second.refs, second.seconds, second.end)
    )


def test_a_full_intake_hurries_the_flush_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many messages since the last cut ask for a flush, and again only after a cut."""
    monkeypatch.setattr(intake_module, "MANY", 3)
    hurried: list[int] = []
    intake = make(hurry=lambda: hurried.append(intake.accepted))
    for number in range(5):
        intake.accept({"topic": TOPIC, "timestamp": number})
    assert hurried == [3]
    intake.cut()
    for number in range(3):
        intake.accept({"topic": TOPIC, "timestamp": number})
    assert hurried == [3, 8]


def test_past_the_limit_of_memory_messages_are_only_spooled() -> None:
    """Plugins are handed no more until all that was spooled meanwhile has been read back."""
    recorder = Recorder()
    intake = make(recorder, memory=500)
    for number in range(100):
        assert intake.accept({"topic": TOPIC, "timestamp": number})
    handed = len(recorder.taken)
    assert 0 < handed < 10
    batch = intake.cut()
    assert batch is not None
    assert len(batch.refs) == handed
    assert intake.cut() is None
    rest = list(batch.spool.scan(batch.end, batch.spool.end))
    assert [body["timestamp"] for _, body in rest] == list(range(handed, 100))
    assert not intake.resume(batch.end)
    assert intake.resume(batch.spool.end)
    intake.committed(batch.spool.end)
    intake.accept({"topic": TOPIC, "timestamp": 100})
    assert [message.second for message in recorder.taken] == [*range(handed), 100]


def test_after_a_halt_nothing_is_handed_on_until_all_is_read_back() -> None:
    """A flush that failed makes the intake spool alone, whatever it had in hand."""
    recorder = Recorder()
    intake = make(recorder)
    intake.accept({"topic": TOPIC, "timestamp": 1})
    intake.halt()
    intake.accept({"topic": TOPIC, "timestamp": 2})
    assert len(recorder.taken) == 1
    assert intake.cut() is None
    assert not intake.resume(0)


@pytest.mark.parametrize("depth", [199, 200, 201, 5000])
def test_a_message_nested_too_deeply_is_rejected(depth: int) -> None:
    """Up to 200 dicts or lists within each other are taken, and whoever walks through them need not fear."""
    msg: Any = None
    for _ in range(depth - 1):
        msg = [msg, "x"]
    intake = make()
    assert intake.accept({"topic": TOPIC, "timestamp": 1, "msg_id": "deep", "msg": msg}) is (depth <= 200)
    assert intake.rejected.total() == (depth > 200)


def test_the_body_is_not_changed() -> None:
    """What came over the bus stays as it came."""
    body = {"topic": TOPIC, "timestamp": 1.5, "msg": {"a": [{"b": 1}]}}
    recorder = Recorder()
    make(recorder).accept(body)
    assert [recorder.taken[0]["msg"]["a"][0]["b"], recorder.taken[0].id[:7]] == [1, "sha256:"]
    assert body == {"topic": TOPIC, "timestamp": 1.5, "msg": {"a": [{"b": 1}]}}


def test_what_comes_after_a_message_that_is_too_large_is_kept() -> None:
    """It alone is lost where those who sent messages keep what finds no room: it would never find any."""
    left: list[Message] = []
    intake = make(limit=1_000, no_room=lambda message, reason: left.append(message))
    large = {"topic": TOPIC, "timestamp": 1, "msg": "x" * 2_000}
    kept = intake.accept_all([large, *({"topic": TOPIC, "timestamp": 2, "msg": n} for n in range(3))])
    assert [message["msg"] for message in kept] == [0, 1, 2]
    assert (intake.lost.total(), intake.accepted, left) == (1, 3, [])
