"""How much faster few messages of an archive are counted than all of it is read for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from sqlalchemy import create_engine, text

from benchmarks.bench import Bench
from benchmarks.figures import Bar, Figure
from benchmarks.history import run_command
from tests.support.place import Place

#: One of so many messages has the topic; the others have so many topics together.
RARE, OTHERS = 1_000, 1_000
START = 1_600_000_000
PLUGIN, TABLE = "pagure-contributions-1d", "data_pagure_contribution_1d"
TOPIC = "io.pagure.prod.pagure.issue.comment.added"
#: The indexes that datanommer makes; only by the last can topics be listed.
CREATE = """
    CREATE TABLE messages (
        id serial, msg_id text, i integer NOT NULL, topic text NOT NULL, timestamp timestamp NOT NULL,
        category text NOT NULL, username text, msg text NOT NULL, headers jsonb, PRIMARY KEY (id, timestamp)
    )
"""
FILL = """
    INSERT INTO messages (msg_id, i, topic, timestamp, category, msg)
    SELECT '2020-' || gen_random_uuid(), n, CASE WHEN n % :rare = 0 THEN :topic
            ELSE 'org.fedoraproject.prod.category' || n % 25 || '.event' || n % :others END,
        to_timestamp(:start + n) AT TIME ZONE 'UTC', 'category', :msg
    FROM generate_series(0, CAST(:messages AS integer) - 1) AS n
"""
INDEXES = (
    "CREATE INDEX ON messages (timestamp)",
    "CREATE UNIQUE INDEX ON messages (msg_id, timestamp)",
    "CREATE INDEX ON messages (category)",
    "CREATE INDEX its_topics ON messages (topic)",
    "VACUUM ANALYZE messages",
)
MSG = json.dumps({"agent": "ada", "project": {"name": "tool", "user": {"name": "ada"}}, "text": "x" * 300})
COUNTED = text(f"SELECT sum(volume), count(*) FROM {TABLE}")


def rare(bench: Bench) -> list[Figure]:
    """Count the messages of a rare topic from a datanommer that lists its topics, and from one that cannot."""
    messages = bench.sizes.archived
    figure = Figure(
        f"a rare topic of {messages:,} messages", "messages/s", [], [], "all of them", Bar(ratio=50)
    )
    with bench.database() as archive:
        _execute(archive, CREATE)
        bench.say(f"making {messages:,} messages")
        given = {"rare": RARE, "others": OTHERS, "topic": TOPIC, "start": START, "msg": MSG}
        _execute(archive, FILL, messages=messages, **given)
        for statement in INDEXES:
            _execute(archive, statement)
        for number in range(bench.rounds):
            bench.say(f"{figure.name}, round {number + 1} of {bench.rounds}")
            figure.rounds.append(messages / _seconds(bench, archive, messages))
        _execute(archive, "DROP INDEX its_topics")
        bench.say(f"{figure.name}, all of them")
        figure.controls.append(messages / _seconds(bench, archive, messages))
    return [figure]


def _seconds(bench: Bench, archive: str, messages: int) -> float:
    """Return how long a backfill takes, the start of the program included; what it has counted is checked."""
    ends = (
        datetime.fromtimestamp(START + second, UTC).strftime("%Y-%m-%dT%H:%M:%S") for second in (0, messages)
    )
    since, until = ends
    with bench.database() as url:
        place = Place(bench.place(), url)
        place.configure({})
        place.write("empty", "")
        run_command(place, "replay", "empty")  # makes the tables
        command = ("backfill", "--plugin", PLUGIN, "--since", since, "--until", until, "--from", archive)
        seconds = run_command(place, *command)
        engine = create_engine(url)
        with engine.connect() as connection:
            counted, days = connection.execute(COUNTED).one()
        engine.dispose()
        wanted = len(range(0, messages, RARE))
        bench.note("a rare topic", abs(wanted - int(counted or 0)))
        assert days == len({(START + second) // 86_400 for second in range(0, messages, RARE)})
    return seconds


def _execute(url: str, statement: str, **given: object) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(statement), given)
    engine.dispose()
