"""Every query of the Grafana dashboard runs on real tables, by the role that `statscache grant` makes, and is right."""

from __future__ import annotations

import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import takewhile
from typing import Any

import pytest
from sqlalchemy import Connection, Engine

from statscache.daemon import open_daemon
from statscache.database.lock import counting
from statscache.demo.traffic import traffic
from statscache.schema.grants import grant, grants_for
from statscache.setting.bots import BOTS
from statscache.span import Span
from statscache.spool.loss import Loss
from statscache.store.coverage import cover
from statscache.store.gaps import record_loss
from tests.support.agents import agent
from tests.support.databases import new_database
from tests.support.grafana import dashboard, expanded, panels, queries
from tests.support.lengths import tables
from tests.support.place import ALL_ON
from tests.support.shared import SHARED, read_lines

pytestmark = pytest.mark.slow

HOUR = 3600
#: What each panel and variable asks for: the answer's columns.
COLUMNS = {
    "Delay": ["since the last flush", "of what is complete"],
    "Not yet counted": ["gaps", "in the quarantine", "late, counted"],
    "Suspended plugins": ["plugin", "until", "reason"],
    "Volume": ["time", "messages a minute"],
    "Volume by category": ["time", "metric", "volume"],
    "Busiest categories": ["category", "volume"],
    "Contributions a day": ["time", "contributions"],
    "Busiest contributors": ["username", "volume"],
    "Busiest projects": ["project", "volume"],
    "Active people by week": ["week", "new", "retained", "returned"],
    "Newcomers by category": ["category", "people"],
    "Busiest people": ["agent", "volume"],
    "Latest events": ["time", "category", "thing", "name", "status", "link"],
    "Length of builds in koji": ["time", "minutes"],
    "Outcomes of builds in koji": ["outcome", "builds"],
    "Length of builds in Copr": ["chroot", "minutes"],
    "Freshness": [
        *("table", "complete_from", "complete_through", "last_flush"),
        *("open_gaps", "quarantined", "late"),
    ],
    "Gaps": ["table", "from", "to", "seconds"],
    "Lost messages": ["first", "last", "messages", "reason", "noted"],
    "Busiest topics": ["topic", "volume"],
    "Busiest users": ["username", "volume"],
    "Busiest packages": ["package", "volume"],
    "Users over time": ["time", "metric", "messages a minute"],
    "$category": ["category"],
}


@dataclass
class Filled:
    """A database on which a daemon has counted messages of the last three hours.

    :param start: in seconds since 1970, the start of an hour; what is asked for begins there and ends now
    """

    connection: Connection
    messages: list[dict[str, Any]]
    start: int
    now: float

    def ask(self, title: str, **values: Any) -> list[Any]:
        """Return what a panel's query gives."""
        chosen = {"n": "10", "resolution": "1m", "category": self.categories(), "__interval": "1m", **values}
        query = expanded(queries()[title][0], chosen, *(datetime.fromtimestamp(s, UTC) for s in self.range))
        result = self.connection.exec_driver_sql(query, execution_options={"no_parameters": True})
        assert list(result.keys()) == COLUMNS[title]
        return list(result)

    def categories(self) -> list[str]:
        """Return all there are, as the variable's All does."""
        return sorted({message["topic"].split(".")[3] for message in self.messages})

    @property
    def range(self) -> tuple[float, float]:
        """What is asked for."""
        return self.start, self.now

    @property
    def gap(self) -> Span:
        """What is not complete."""
        return Span(self.start + HOUR, self.start + HOUR + 600)


def made_up(start: int, now: float) -> list[dict[str, Any]]:
    """Return traffic."""
    return list(takewhile(lambda message: message["timestamp"] < now, traffic(7, start, 0.5)))


def real(start: int, now: float) -> list[dict[str, Any]]:
    """Return the real messages, one after the other in the time asked for."""
    if not SHARED.is_dir():
        pytest.skip("needs the real messages in ../shared, which a public clone has not got")
    lines = read_lines(SHARED / "data" / "messages.jsonl")
    bodies = [line["message"] for line in lines if line["message"]["topic"].count(".") >= 3]
    step = (now - start) / len(bodies)
    return [{**body, "timestamp": start + step * number} for number, body in enumerate(bodies)]


@pytest.fixture(scope="module", params=[made_up, real])
def filled(request: Any, server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    """A database with what the dashboard may meet: figures, a gap, a loss, a plugin that is suspended."""
    now = time.time()
    start = int(now // HOUR - 3) * HOUR
    messages = request.param(start, now)
    with new_database(server) as url:
        spool = str(tmp_path_factory.mktemp("spool"))
        settings = {"statscache.plugins.enabled": ALL_ON, "statscache.spool.directory": spool}
        settings |= {"statscache.sqlalchemy.uri": url, "statscache.consumer.epoch": start}
        daemon = open_daemon(settings)
        for message in messages:
            assert daemon.intake.accept(message)
        daemon.flusher.flush()
        filled = Filled(daemon.engine.connect(), messages, start, now)
        with counting(daemon.engine) as connection:
            cover(connection, daemon.writer.plugins, Span(start, filled.gap.start))
            cover(connection, daemon.writer.plugins, Span(filled.gap.stop, int(now) - 300))
            record_loss(connection, [], "a spool", Loss(7, start + 1.0, start + 2.0))
        daemon.app.suspensions.suspend("volume-1s", "as the test says")
        role = f"grafana_{uuid.uuid4().hex[:12]}"
        grant(daemon.engine, grants_for(filled.connection, role, []))
        filled.connection.exec_driver_sql(f"SET ROLE {role}")
        yield filled
        filled.connection.exec_driver_sql(f"RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")
        filled.connection.commit()
        filled.connection.close()
        daemon.engine.dispose()


@pytest.mark.parametrize("title", queries())
def test_every_query_finds_something(title: str, filled: Filled) -> None:
    """Each runs for the reading role, with the columns that its panel needs, and a time where it needs one."""
    rows = filled.ask(title)
    assert rows
    if queries()[title][1] == "time_series":
        assert all(
            isinstance(row[0], datetime) or filled.start - 86400 <= row[0] <= filled.now for row in rows
        )


def test_the_list_of_columns_is_complete() -> None:
    """No panel and no variable goes untested."""
    assert set(COLUMNS) == set(queries())


def per_minute(filled: Filled) -> Counter[int]:
    """Return how many messages were sent in each minute."""
    return Counter(int(message["timestamp"]) // 60 * 60 for message in filled.messages)


def test_the_volume_is_right_and_honest(filled: Filled) -> None:
    """Each minute has its messages; an empty one is 0 where its time is complete, and nothing where it is not."""
    rows = {int(row[0]): row[1] for row in filled.ask("Volume")}
    counts = per_minute(filled)
    minutes = range(filled.start, int(filled.now) + 1, 60)
    assert list(rows) == list(minutes)
    known = [m for m in minutes if m + 60 <= filled.now - 301 and not _meets(filled.gap, m)]
    assert {m: rows[m] for m in known} == {m: counts[m] for m in known}
    unknown = set(minutes) - set(known)
    assert {m: rows[m] for m in unknown} == {m: counts[m] or None for m in unknown}


def _meets(gap: Span, minute: int) -> bool:
    return gap.start < minute + 60 and minute < gap.stop


def test_a_wider_zoom_shows_the_same_measure(filled: Filled) -> None:
    """Over ten minutes at once it is still messages a minute."""
    rows = {int(row[0]): row[1] for row in filled.ask("Volume", __interval="10m")}
    counts = per_minute(filled)
    first = filled.start // 600 * 600
    assert float(rows[first]) == sum(counts[first + 60 * n] for n in range(10)) / 10


def test_categories_are_right(filled: Filled) -> None:
    """The bars are the sums, the greatest first; the lines have each category in each window."""
    counts = Counter(message["topic"].split(".")[3] for message in filled.messages)
    greatest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:5]
    assert filled.ask("Busiest categories", n="5") == greatest
    hours = filled.ask("Volume by category", resolution="1h")
    assert len({row[0] for row in hours}) == 4
    assert len(hours) == 4 * len(counts)
    sums: Counter[str] = Counter()
    for _, category, volume in hours:
        sums[category] += volume or 0
    assert sums == counts
    (chosen, _), *_ = greatest
    assert {row[1] for row in filled.ask("Volume by category", category=[chosen, "it's none"])} == {chosen}


def test_topics_are_right(filled: Filled) -> None:
    """The busiest topics are those of the messages."""
    counts = Counter(message["topic"] for message in filled.messages)
    greatest = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20]
    assert filled.ask("Busiest topics", n="20") == greatest


def test_users_over_time_are_the_busiest(filled: Filled) -> None:
    """Each of the users with the most messages has every window, and the sums are those of the bars."""
    busiest = filled.ask("Busiest users", n="3")
    sums: Counter[str] = Counter()
    for _, user, volume in filled.ask("Users over time", n="3"):
        sums[user] += volume
    assert sums == dict(busiest)


def test_pagure_is_right(filled: Filled) -> None:
    """What was done a day adds up to all messages of pagure.io."""
    done = sum(row[1] or 0 for row in filled.ask("Contributions a day"))
    assert done == sum("io.pagure.prod" in message["topic"] for message in filled.messages) > 0


def test_people_are_right(filled: Filled) -> None:
    """Those who did something, as a program of its own finds them: how much each, and where each did."""
    did = [(agent(message), message["topic"].split(".")[3]) for message in filled.messages]
    people = [
        (who, category)
        for who, category in did
        if who is not None and not any(fnmatchcase(who, its) for its in BOTS)
    ]
    busiest = Counter(who for who, _ in people)
    assert filled.ask("Busiest people") == sorted(busiest.items(), key=lambda item: (-item[1], item[0]))[:10]
    new = Counter(category for _, category in set(people))
    assert filled.ask("Newcomers by category", n="50") == sorted(
        new.items(), key=lambda item: (-item[1], item[0])
    )
    weeks = filled.ask("Active people by week")
    assert sum(row.new for row in weeks) == len(busiest)
    assert sum(row.new + row.retained + row.returned for row in weeks) >= len(busiest)


def test_the_lengths_of_builds_are_right(filled: Filled) -> None:
    """They are the means and the sums of what was measured, of the hours that are asked for."""
    measured = tables(message for message in filled.messages if message.get("msg_id"))
    minutes: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    outcomes: Counter[str] = Counter()
    for (start, (_, outcome), bucket), (volume, seconds) in measured["data_koji_build_1h"].items():
        outcomes[outcome] += volume
        known = minutes[start] if outcome == "complete" else [0, 0]
        known[:] = [known[0] + seconds, known[1] + volume * (bucket >= 0)]
    means = {start: seconds / volume / 60 if volume else None for start, (seconds, volume) in minutes.items()}
    shown = {int(row[0]): row[1] and float(row[1]) for row in filled.ask("Length of builds in koji")}
    assert shown == {start: mean and pytest.approx(mean, abs=0.051) for start, mean in means.items()}
    assert dict(filled.ask("Outcomes of builds in koji")) == outcomes


def test_what_may_be_missing_is_told(filled: Filled) -> None:
    """The gap, the loss and the suspended plugin are named."""
    gaps = filled.ask("Gaps")
    assert ("data_volume_1m", filled.gap.start, filled.gap.stop, 600) in [
        (row[0], row[1].timestamp(), row[2].timestamp(), row[3]) for row in gaps
    ]
    assert [row[2:4] for row in filled.ask("Lost messages")] == [(7, "the spool had no room")]
    assert [row[0] for row in filled.ask("Suspended plugins")] == ["volume-1s"]
    (since, complete), *_ = filled.ask("Delay")
    assert 0 <= since < 120
    assert 300 <= complete < 420
    assert filled.ask("Not yet counted") == [(1, 0, 0)]


def test_the_dashboard_can_be_imported() -> None:
    """It has what Grafana asks for: a number and a place of its own for each panel, and no database's name."""
    board = dashboard()
    numbers = [panel["id"] for panel in panels()]
    assert len(numbers) == len(set(numbers))
    assert board["uid"] == board["title"] == "statscache"
    assert "id" not in board
    placed = [panel["gridPos"] for panel in panels() if panel["type"] != "row"]
    cells = [
        (x, y) for p in placed for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    sources = [panel["datasource"] for panel in panels() if panel["type"] != "row"]
    assert sources == [{"type": "grafana-postgresql-datasource", "uid": "${datasource}"}] * len(sources)
