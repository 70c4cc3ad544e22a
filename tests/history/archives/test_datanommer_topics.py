"""Only some topics of a datanommer database."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.history.archives import datanommer, datanommer_reader, datanommer_topics
from statscache.history.archives.archive import Hole, Slice
from statscache.history.archives.datanommer import Datanommer
from statscache.history.archives.datanommer_statements import DIALECT
from statscache.history.topics import Topics
from statscache.span import Span
from tests.history.archives.test_datanommer import DAY, assert_whole, body, create, fill, run

RARE = Topics(frozenset([re.compile(r"\.wiki\.article\.edit$")]))
WIKI = Topics(frozenset([re.compile(r"\.wiki\."), re.compile("É")]))
NOBODY = Topics(frozenset([re.compile("nobody sends this")]))
PREFIX = "org.fedoraproject.prod."
TOPICS = [
    f"{PREFIX}{name}" for name in ("wiki.article.edit", "wiki.upload", "git.receive", "É", "", "a\\b'{}")
]
SPAN = Span(DAY, DAY + 100)
INDEX = "CREATE INDEX its_topics ON messages (topic)"
#: What a table may be made into.
FORMS = {
    "as it is": [],
    "as since 1.0": ["ALTER TABLE messages ALTER topic TYPE varchar"],
    "with zones": [
        "ALTER TABLE messages ALTER timestamp TYPE timestamptz USING timestamp AT TIME ZONE 'UTC'"
    ],
    "partitioned": [
        "ALTER TABLE messages RENAME TO once",
        "CREATE TABLE messages (LIKE once INCLUDING DEFAULTS) PARTITION BY RANGE (timestamp)",
        "CREATE TABLE older PARTITION OF messages FOR VALUES FROM (MINVALUE) TO ('2023-11-14 22:13:50')",
        "CREATE TABLE newer PARTITION OF messages FOR VALUES FROM ('2023-11-14 22:13:50') TO (MAXVALUE)",
    ],
}
#: Many messages, of which one in 1,000 is of a rare topic.
MANY = """
INSERT INTO messages (i, topic, timestamp, msg, msg_id)
SELECT 1, CASE WHEN n % 1000 = 7 THEN 'org.fedoraproject.prod.wiki.article.edit' ELSE 'topic.' || n % 200 END,
    timestamp '2023-11-14 22:13:20' + n * interval '0.1 s', '{"a": 1}', n
FROM generate_series(0, 99999) n
"""


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slices are small."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 20)
    monkeypatch.setattr(datanommer, "FIRST", 10)
    monkeypatch.setattr(datanommer, "LONGEST", 60)


def read(url: str, topics: Topics, span: Span = SPAN) -> list[Slice]:
    """Return the slices of a span, which must be whole."""
    parts = list(Datanommer(url).slices(span, topics))
    assert [part for part in parts if isinstance(part, Hole)] == []
    return [part for part in parts if isinstance(part, Slice)]


def numbers(parts: list[Slice]) -> list[int]:
    return [each["i"] for part in parts for each in part.bodies]


def some(engine: Engine, *more: str) -> list[dict[str, Any]]:
    """Fill a table with messages of all topics, and return them."""
    bodies = [body(n, DAY + n / 5, topic=TOPICS[n % len(TOPICS)]) for n in range(-6, 506)]
    create(engine)
    for statement in more:
        run(engine, statement)
    fill(engine, bodies)
    run(
        engine,
        "INSERT INTO messages (i, topic, timestamp, msg) VALUES (-99, NULL, '2023-11-14 22:13:25', '{}')",
    )
    return [each for each in bodies if int(each["timestamp"] // 1) in SPAN]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wanted", [RARE, WIKI, NOBODY], ids=["one", "several", "none"])
def test_just_the_messages_come_whose_topics_are_wanted(
    form: str, wanted: Topics, engine: Engine, database: str
) -> None:
    """All of them, in slices that together are the span, as they come when all are read."""
    bodies = some(engine, *FORMS[form], INDEX)
    slices = read(database, wanted)
    assert_whole(slices, SPAN)
    expected = [each for each in bodies if wanted.among([each["topic"]])]
    assert [each for part in slices for each in part.bodies] == expected
    assert all(len(part.bodies) <= 20 or part.span.seconds == 1 for part in slices)


@pytest.mark.parametrize(
    "instead",
    [
        ["SELECT"],
        ["CREATE INDEX ON messages (topic) WHERE topic <> 'a'"],
        ["CREATE INDEX ON messages (topic text_pattern_ops)"],
        ['CREATE INDEX ON messages (topic COLLATE "C")'],
        ["CREATE INDEX ON messages USING hash (topic)"],
        ["CREATE INDEX ON messages (timestamp, topic)"],
        [INDEX, "ALTER TABLE messages ALTER topic TYPE char(60)"],
        [
            'CREATE COLLATION loose FROM "C"',
            "ALTER TABLE messages ALTER topic TYPE text COLLATE loose",
            INDEX,
            # As if it were one of ICU, which the server may not have.
            "UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'",
        ],
    ],
    ids=[
        "none",
        "some rows",
        "other order",
        "other collation",
        "hash",
        "second column",
        "char",
        "loose collation",
    ],
)
def test_all_come_where_topics_cannot_be_listed(instead: list[str], engine: Engine, database: str) -> None:
    """Without an index that has each topic of the table, in an order by which the next is found."""
    bodies = some(engine)
    for statement in instead:
        run(engine, statement)
    assert len(numbers(read(database, RARE))) == len(bodies) + 1
    assert Datanommer(database).shares(SPAN, [RARE, WIKI]) == [1.0, 1.0]


def test_all_come_where_there_are_too_many_topics(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list of topics that is as long as the messages spares nothing."""
    monkeypatch.setattr(datanommer_topics, "MANY", len(TOPICS) - 1)
    bodies = some(engine, INDEX)
    assert len(numbers(read(database, RARE))) == len(bodies) + 1


def test_all_come_where_some_take_too_long(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A statement over some topics that runs into the server's time-out leaves no hole."""
    bodies = some(engine, INDEX)

    def slow(connection: Any, types: Any) -> list[str]:
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL statement_timeout = 1; SELECT pg_sleep(60)")
        raise AssertionError("the server waits for nothing")

    monkeypatch.setattr(datanommer_reader, "listed", slow)
    assert len(numbers(read(database, RARE))) == len(bodies) + 1
    assert Datanommer(database).shares(SPAN, [RARE]) == [1.0]


def test_a_topic_that_is_new_is_not_lost(engine: Engine, database: str) -> None:
    """Each slice asks for the topics that there are when it is read."""
    some(engine, INDEX)
    slices = Datanommer(database).slices(SPAN, WIKI)
    found = [next(slices)]
    fill(engine, [body(999, DAY + 99.9, topic=f"{PREFIX}wiki.new")])
    found += slices
    assert numbers([part for part in found if isinstance(part, Slice)])[-1] == 999


def test_topics_are_listed_in_the_snapshot_of_the_messages(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes to the archive between the two is in neither, as if it came after both."""
    bodies = some(engine, INDEX)
    listed, came = datanommer_topics.listed, []

    def list_and_add(connection: Any, types: Any) -> list[str] | None:
        found = listed(connection, types)
        came.append(
            body(1000 + len(came), DAY + 99.9, topic=f"{PREFIX}wiki.{('upload', 'new')[len(came) % 2]}")
        )
        fill(engine, came[-1:])
        return found

    monkeypatch.setattr(datanommer_reader, "listed", list_and_add)
    slices = read(database, WIKI)
    before = [each["i"] for each in bodies if WIKI.among([each["topic"]])]
    assert numbers(slices) == before + [each["i"] for each in came[:-1]]


def explained(engine: Engine, statement: Any, before: str = "EXPLAIN ") -> str:
    compiled = statement.compile(dialect=DIALECT)
    with engine.connect() as connection:
        return "\n".join(connection.exec_driver_sql(before + compiled.string, compiled.params).scalars())


def test_a_rare_topic_is_found_by_the_index(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the list of topics nor their messages read all of the table, and the server knows that they are few."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 20_000)
    create(engine)
    run(engine, INDEX)
    run(engine, MANY)
    run(engine, "ANALYZE messages")
    span = Span(DAY, DAY + 10_000)
    (rare, wiki, all_topics) = Datanommer(database).shares(
        span, [RARE, WIKI, Topics(frozenset([re.compile("")]))]
    )
    assert 0 <= rare < 0.01
    assert wiki == rare
    assert all_topics > 0.5
    types = {"timestamp": "timestamp without time zone", "topic": "text", "msg": "text"}
    reader, names = datanommer.Reader(None, types), [f"{PREFIX}wiki.article.edit"]
    cursor = "SET LOCAL cursor_tuple_fraction = 1; EXPLAIN DECLARE c CURSOR FOR "
    plans = [
        explained(engine, datanommer_topics.LISTED.bindparams(most=1000)),
        explained(engine, reader.border(span, names)),
        explained(engine, reader.statement(span, names), cursor),
    ]
    assert all("its_topics" in plan and "Seq Scan" not in plan for plan in plans), plans
    assert len(numbers(read(database, RARE, span))) == 100


def test_a_slice_is_not_asked_for_in_parts(
    engine: Engine, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a span that has no more messages than fit into a slice all are asked for."""
    monkeypatch.setattr(datanommer_reader, "ROWS", 20_000)
    some(engine, INDEX)
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM messages"))
    assert Datanommer(database).shares(SPAN, [RARE]) == [1.0]
