"""Messages straight from a datanommer database."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.engine import make_url

from statscache.history.archives import datanommer, datanommer_reader
from statscache.history.archives.archive import HistoryError, Hole, Slice
from statscache.history.archives.datanommer import Datanommer
from statscache.history.bodies import as_sent
from statscache.messages.delivery import body_of
from statscache.messages.message import Message
from statscache.messages.naming import Meta
from statscache.span import Span
from tests.support.hub import wait_for

#: The columns for what a message says, over the years.
SCHEMAS = {
    "text": "msg text NOT NULL",
    "jsonb": "msg jsonb NOT NULL",
    "both": "msg text, msg_json jsonb",
    "raw": "msg jsonb NOT NULL, msg_raw text",
}
CREATE = """
CREATE TABLE messages (
    id serial, msg_id text, i integer NOT NULL, topic text, timestamp {timestamp} NOT NULL, certificate text,
    signature text, category text, username text, crypto text, source_name text, source_version text, {content},
    headers jsonb, PRIMARY KEY (id, timestamp)
);
CREATE INDEX ON messages (timestamp);
CREATE UNIQUE INDEX ON messages (msg_id, timestamp)
"""
INSERT = """
INSERT INTO messages (msg_id, i, topic, timestamp, username, category, {column})
VALUES (:msg_id, :i, :topic, to_timestamp(:timestamp) AT TIME ZONE 'UTC', :username, 'git', :content)
"""
DAY = 1_700_000_000
HEADERS = {
    "fedora_messaging_rpm_vim": True,
    "fedora_messaging_schema": "pagure.git.receive",
    "fedora_messaging_user_ada": True,
}


def body(n: int, timestamp: float, **more: Any) -> dict[str, Any]:
    """Return a message."""
    topic = "org.fedoraproject.prod.git.receive"
    content = {"n": n, "text": "ü€😀 %s", "big": 10**30, "float": 0.1}
    return {"topic": topic, "msg": content, "timestamp": timestamp, "i": n, "msg_id": f"2023-{n}", **more}


def run(engine: Engine, statement: str, **values: Any) -> None:
    """Execute a statement whose times are in UTC, and commit."""
    with engine.begin() as connection:
        connection.execute(text("SET LOCAL TIME ZONE 'UTC'"))
        connection.execute(text(statement), values)


def create(engine: Engine, schema: str = "text", timestamp: str = "timestamp") -> None:
    """Make the table as datanommer has it."""
    run(engine, CREATE.format(content=SCHEMAS[schema], timestamp=timestamp))


def fill(engine: Engine, bodies: list[dict[str, Any]], *columns: str) -> None:
    """Write messages, by turns with their content in each of the columns."""
    columns = columns or ("msg",)
    for n, body in enumerate(bodies):
        values = {"msg_id": None, "username": None, **body, "content": json.dumps(body["msg"])}
        run(engine, INSERT.format(column=columns[n % len(columns)]), **values)


def read(url: str, span: Span) -> list[Slice]:
    """Return the slices of a span, which must be whole."""
    slices = list(Datanommer(url).slices(span))
    assert [part for part in slices if isinstance(part, Hole)] == []
    return [part for part in slices if isinstance(part, Slice)]


def assert_whole(slices: list[Slice], span: Span) -> None:
    """Check that slices are contiguous and together the span, and that each has just its own seconds."""
    borders = [span.start, *(part.span.stop for part in slices)]
    assert [part.span.start for part in slices] == borders[:-1]
    assert borders[-1] == span.stop
    for part in slices:
        assert all(int(body["timestamp"]) in part.span for body in part.bodies)


@pytest.mark.parametrize("zone", ["timestamp", "timestamptz"])
@pytest.mark.parametrize(
    ("schema", "columns"),
    [
        ("text", ["msg"]),
        ("jsonb", ["msg"]),
        ("both", ["msg", "msg_json"]),
        ("raw", ["msg"]),
    ],
)
def test_messages_are_as_they_were_on_the_bus(
    schema: str, columns: list[str], zone: str, engine: Engine, database: str
) -> None:
    """Under every schema that datanommer has had, bodies come whole, by time, to the microsecond."""
    bodies = [body(n, DAY + n + n / 1_000_003) for n in range(9)]
    bodies = [body | {"timestamp": round(body["timestamp"], 6), "username": "me"} for body in bodies]
    del bodies[3]["username"], bodies[4]["msg_id"]
    create(engine, schema, zone)
    fill(engine, bodies[::-1], *columns)
    (part,) = read(database, Span(DAY, DAY + 100))
    assert part.bodies == bodies


#: The table as each version of datanommer.models since 1.0 makes it, and as upgrades from one to the next leave it.
SINCE_1_0 = """
CREATE TABLE messages (
    id serial NOT NULL, msg_id varchar, i integer NOT NULL, topic varchar NOT NULL,
    timestamp timestamp NOT NULL, certificate text, signature text, category varchar NOT NULL, username varchar,
    crypto text, source_name varchar, source_version varchar, msg text NOT NULL, headers jsonb,
    PRIMARY KEY (id, timestamp), UNIQUE (msg_id, timestamp)
)
"""
UPGRADES = {
    "1.0": "SELECT",
    "1.3, an index": "CREATE INDEX ix_messages_headers ON messages USING gin (headers jsonb_path_ops)",
    "1.4, a column renamed": "ALTER TABLE messages RENAME username TO agent_name; "
    "CREATE INDEX ix_messages_agent_name ON messages (agent_name)",
    "both names": "ALTER TABLE messages ADD agent_name varchar",
    "neither name": "ALTER TABLE messages DROP username",
    "only what counting needs": "ALTER TABLE messages DROP id, DROP i, DROP username, DROP headers, DROP category",
    "other types": "ALTER TABLE messages ALTER msg TYPE jsonb USING msg::jsonb, ALTER i TYPE bigint, "
    "ALTER timestamp TYPE timestamptz USING timestamp AT TIME ZONE 'UTC', ADD more text",
}


@pytest.mark.parametrize("upgrade", UPGRADES)
def test_every_version_since_1_0_can_be_read(upgrade: str, engine: Engine, database: str) -> None:
    """Only what counting needs has to be there; who sent a message is known under either name."""
    bodies = [body(n, DAY + n, username=f"user{n}") for n in range(3)]
    run(engine, SINCE_1_0)
    fill(engine, bodies)
    run(engine, UPGRADES[upgrade])
    (part,) = read(database, Span(DAY, DAY + 100))
    missing = {"neither name": ["username"], "only what counting needs": ["username", "i"]}.get(upgrade, [])
    assert part.bodies == [
        {name: value for name, value in each.items() if name not in missing} for each in bodies
    ]


@pytest.mark.parametrize("kind", ["jsonb", "text"])
def test_what_came_over_amqp_is_what_it_was_live(kind: str, engine: Engine, database: str) -> None:
    """With its headers and without what datanommer made of it, so that it names the same users and packages."""
    sent_at = "2023-11-14T22:13:20+00:00", "2023-11-14T23:13:20.250000+01:00", "2023-11-14T22:13:21"
    deliveries = [
        body_of(
            "org.fedoraproject.prod.git.receive", str(uuid.uuid4()), {**HEADERS, "sent-at": at}, b'{"a": 1}'
        )
        for at in sent_at
    ]
    create(engine)
    run(engine, f"ALTER TABLE messages ALTER headers TYPE {kind}")
    for delivery in deliveries:
        fill(engine, [{**delivery, "i": 0, "username": "ada"}])
        headers = {"headers": json.dumps(delivery["headers"]), "msg_id": delivery["msg_id"]}
        run(
            engine,
            f"UPDATE messages SET headers = CAST(:headers AS {kind}) WHERE msg_id = :msg_id",
            **headers,
        )
    (part,) = read(database, Span(DAY, DAY + 100))
    found = [Message(as_sent(body)) for body in part.bodies]
    assert found == deliveries
    assert [type(message.timestamp) for message in found] == [int, float, int]
    assert {(message.usernames, message.packages) for message in found} == {
        (frozenset({"ada"}), frozenset({"vim"}))
    }


@pytest.mark.parametrize("upgrade", [key for key in UPGRADES if key.startswith("1")])
def test_who_did_it_is_known_since_1_4(upgrade: str, engine: Engine, database: str) -> None:
    """Under the older name the column tells the sender, and of a message of fedmsg it still does."""
    headers = json.dumps({"fedora_messaging_schema": "wiki.edit", "sent-at": "2023-11-14T22:13:20+00:00"})
    run(engine, SINCE_1_0)
    fill(engine, [body(n, DAY + n, username="ada") for n in range(2)])
    run(engine, "UPDATE messages SET headers = CAST(:headers AS jsonb) WHERE i = 0", headers=headers)
    run(engine, UPGRADES[upgrade])
    (part,) = read(database, Span(DAY, DAY + 100))
    found = [Message(as_sent(each), Meta({})).agent for each in part.bodies]
    assert found == ["ada" if upgrade.startswith("1.4") else None, None]


def test_headers_of_any_shape_are_read(engine: Engine, database: str) -> None:
    """Those of fedmsg's days have none, or others; what is null is left out."""
    create(engine)
    values = [None, "{}", "null", '{"a": [1]}', "[]", '"x"']
    for n, value in enumerate(values):
        fill(engine, [body(n, DAY + n)])
        run(engine, "UPDATE messages SET headers = CAST(:value AS jsonb) WHERE i = :n", value=value, n=n)
    (part,) = read(database, Span(DAY, DAY + 100))
    assert [each.get("headers") for each in part.bodies] == [None, {}, None, {"a": [1]}, [], "x"]
    assert [as_sent(each)["username" if "username" in each else "i"] for each in part.bodies] == list(
        range(6)
    )


def test_the_raw_text_is_taken_where_there_is_one(engine: Engine, database: str) -> None:
    """jsonb loses how a number was written and cannot hold a NUL: the text beside it has them."""
    create(engine, "raw")
    content = '{"a": 1.50e1, "b": "\\u0000", "c": "\\ud800"}'
    run(
        engine,
        "INSERT INTO messages (i, topic, timestamp, msg, msg_raw) VALUES "
        "(1, 'a', '2023-11-14 22:13:20.5', '{}', :content), (2, 'a', '2023-11-14 22:13:21', '[]', NULL), "
        "(3, 'a', '2023-11-14 22:13:22', '{}', 'no JSON')",
        content=content,
    )
    (part,) = read(database, Span(DAY, DAY + 100))
    assert [body["msg"] for body in part.bodies] == [json.loads(content), [], "no JSON"]


@pytest.mark.parametrize("seed", range(4))
def test_slices_are_whole_seconds_and_together_the_span(
    seed: int, engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slices have about ROWS rows, never part of a second, and begin and end where the span does."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 20)
    monkeypatch.setattr(datanommer_reader, "FETCH", 7)
    times = [0.0, 0.999999, 1.0, 2.5, *[3.25] * 50, *[4.0] * 20, *[5 + n / 10 for n in range(200)], 90.0]
    times = times[seed:] if seed < 3 else []
    create(engine)
    fill(engine, [body(n, DAY + time) for n, time in enumerate([-0.000001, *times, 100.0])])
    span = Span(DAY, DAY + 100)
    slices = read(database, span)
    assert_whole(slices, span)
    found = [body["timestamp"] - DAY for part in slices for body in part.bodies]
    assert found == pytest.approx(times, abs=1e-6)
    assert all(len(part.bodies) <= 20 or part.span.seconds == 1 for part in slices)
    assert len(slices) <= 2 + 2 * len(times) / 20


def test_the_index_is_used_and_memory_is_bounded(engine: Engine, database: str) -> None:
    """Neither a sort nor a scan of the whole table is planned, from anywhere in it."""
    create(engine)
    run(
        engine,
        "INSERT INTO messages (i, topic, timestamp, msg, msg_id) SELECT 1, 'a', "
        "timestamp '2023-11-14 22:13:20' + n * interval '0.1 s', '{\"a\": 1}', n "
        "FROM generate_series(0, 99999) n",
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE messages"))
    slices = read(database, Span(DAY, DAY + 20_000))
    assert [len(part.bodies) for part in slices] == [20_000] * 5
    reader = datanommer.Reader(
        None, {"timestamp": "timestamp without time zone", "topic": "text", "msg": "text"}
    )
    border, rows = reader.border(Span(DAY + 50, DAY + 9000)), reader.statement(slices[2].span)
    for explain, statement in (("EXPLAIN ", border), ("EXPLAIN DECLARE c CURSOR FOR ", rows)):
        compiled = statement.compile(dialect=datanommer.DIALECT)
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(explain + compiled.string, compiled.params).scalars().all()
        assert any("using messages_timestamp_idx" in line for line in plan), plan
        assert not any("Seq Scan" in line for line in plan), plan


def test_nothing_is_written(engine: Engine, database: str) -> None:
    """Not even what the database itself would write when somebody reads."""
    create(engine)
    run(
        engine,
        "CREATE TABLE seen (n integer); CREATE FUNCTION see() RETURNS integer LANGUAGE sql AS "
        "'INSERT INTO seen VALUES (1) RETURNING 1'; ALTER TABLE messages RENAME TO kept; "
        "CREATE VIEW messages AS SELECT *, see() FROM kept WHERE see() = 1",
    )
    fill_kept = "INSERT INTO kept (i, topic, timestamp, msg) VALUES (1, 'a', '1970-01-01', '{}')"
    run(engine, fill_kept)
    with pytest.raises(HistoryError, match="cannot execute INSERT in a read-only transaction"):
        read(database, Span(0, 10))


TERMINATE = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'statscache history'"
)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (TERMINATE + " AND datname = current_database()", "connection"),
        ("DROP TABLE messages", "does not exist"),
    ],
    ids=["connection", "table"],
)
def test_what_fails_on_the_way_is_a_hole(
    fault: str, reason: str, engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read before stands; the rest of the span is one hole, and its reason one sentence."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 5)
    create(engine)
    fill(engine, [body(n, DAY + n) for n in range(50)])
    slices = Datanommer(database).slices(Span(DAY, DAY + 100))
    assert [next(slices).span for _ in range(2)] == [Span(DAY, DAY + 5), Span(DAY + 5, DAY + 10)]
    run(engine, fault)
    *ahead, hole = slices
    assert isinstance(hole, Hole)
    assert hole.span in (Span(DAY + 10, DAY + 100), Span(DAY + 15, DAY + 100)), "one may have been read ahead"
    assert [part.span for part in ahead] == [Span(DAY + 10, DAY + 15)][: len(ahead)]
    assert reason in hole.reason
    assert "\n" not in hole.reason


def test_a_reader_that_stops_leaves_nothing_behind(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between slices no transaction is open; who reads no further closes the connection."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 5)
    create(engine)
    fill(engine, [body(n, DAY + n) for n in range(20)])
    slices = Datanommer(database).slices(Span(DAY, DAY + 100))
    states = text(
        "SELECT state FROM pg_stat_activity WHERE application_name = 'statscache history' "
        "AND datname = current_database()"
    )
    next(slices)

    def found() -> list[Any]:
        with engine.connect() as connection:
            return list(connection.scalars(states))

    wait_for("the next to be read", lambda: found() == ["idle"])
    slices.close()
    wait_for("the connection to be closed", lambda: found() == [])


@pytest.fixture
def stranger(server: Engine, database: str) -> Iterator[str]:
    """The URL of the database for a user without any right to its tables."""
    name = f"stranger_{uuid.uuid4().hex[:8]}"
    with server.connect() as connection:
        connection.execute(text(f"CREATE ROLE {name} LOGIN PASSWORD 'secret'"))
    yield make_url(database).set(username=name, password="secret").render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.execute(text(f"DROP ROLE {name}"))


def no_table(engine: Engine) -> None:
    """Leave the database as it is."""


def no_columns(engine: Engine) -> None:
    """Make another table of that name."""
    run(engine, "CREATE TABLE messages (id integer, topic text, timestamp integer)")


def no_time(engine: Engine) -> None:
    """Make a table whose timestamp is a number."""
    create(engine, timestamp="integer")


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (no_table, "has no table messages: name the database"),
        (no_columns, "has no column msg_id, msg: name the database"),
        (no_time, "is integer instead of a timestamp"),
        (create, "permission denied for table messages): let its user read it"),
    ],
)
def test_a_database_that_is_none_is_refused_in_a_sentence(
    make: Callable[[Engine], None], reason: str, stranger: str, engine: Engine
) -> None:
    """It names the database, what is wrong and what to do, and shows no password."""
    make(engine)
    with pytest.raises(HistoryError) as refusal:
        list(Datanommer(stranger).slices(Span(0, 10)))
    assert reason in str(refusal.value)
    assert "secret" not in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://me:secret@127.0.0.1:1/datanommer", "me:***@127.0.0.1:1/datanommer cannot be reached"),
        (
            "postgresql://me@127.0.0.1:1/datanommer?password=secret",
            "me@127.0.0.1:1/datanommer cannot be reached",
        ),
        ("postgresql://127.0.0.1/datanommer?secrets=1", "cannot be reached"),
        ("postgresql://me:x@y:secret@host/datanommer", "must be like postgresql://"),
        ("mysql://me:secret@host/datanommer", "must be like postgresql://"),
        ("datanommer", "must be like postgresql://"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url: str, reason: str) -> None:
    """The sentence shows the URL without any password, or not at all."""
    with pytest.raises(HistoryError) as refusal:
        list(Datanommer(url).slices(Span(0, 10)))
    assert reason in str(refusal.value)
    assert "secret@" not in str(refusal.value)
    assert "=secret" not in str(refusal.value)
