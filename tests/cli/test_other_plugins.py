"""The commands beside plugins of other authors: odd tables, new ones, and ones that do not fit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from tests.support.commands import body, told
from tests.support.databases import new_database
from tests.support.packages import IDLE, install
from tests.support.place import Place, lines, rows

pytestmark = pytest.mark.slow

CODE = (
    IDLE
    + """
from datetime import timedelta

from sqlalchemy import BigInteger, Date, DateTime, LargeBinary, Numeric, Text
from sqlalchemy.orm import mapped_column as column
from statscache.plugins import Base, BaseModel, CountingPlugin, counting_model


class Totals(Base):
    __tablename__ = "odd_totals"
    name = column(Text, primary_key=True)
    total = column(BigInteger)


class Renamed(Base):
    __tablename__ = "odd_renamed"
    when = column("timestamp", DateTime(timezone=True), primary_key=True)
    size = column(Numeric)
    data = column(LargeBinary, nullable=True)


class Local(Base):
    __tablename__ = "odd_local"
    timestamp = column(DateTime, primary_key=True)


class Days(Base):
    __tablename__ = "odd_days"
    timestamp = column(Date, primary_key=True)


class Words(Base):
    __tablename__ = "odd_words"
    timestamp = column(Text, primary_key=True)


class Sometimes(BaseModel):
    __tablename__ = "odd_sometimes"
    timestamp = column(DateTime(timezone=True), nullable=True)


class Numbers(Base):
    __tablename__ = "odd_numbers"
    id = column(BigInteger, primary_key=True)


class Counter(CountingPlugin):
    name = summary = description = "misfit"
    interval = timedelta(hours=1)
    model = counting_model("odd_misfit", "misfit", page="its title")

    def process(self, message):
        self.count(message, "x")


plugins = [
    plugin("totals", Totals), plugin("renamed", Renamed), plugin("local", Local), plugin("days", Days),
    plugin("words", Words), plugin("sometimes", Sometimes), plugin("numbers", Numbers), Counter,
]
"""
)
FILL = [
    "INSERT INTO odd_totals VALUES ('b', 2), ('a', 1), ('c', 3)",
    "INSERT INTO odd_renamed VALUES ('2024-05-31 12:00Z', 1.5, '\\xff'), ('2024-05-31 13:00Z', 'NaN', NULL)",
    "INSERT INTO odd_local VALUES ('2024-05-31 12:00'), ('2024-05-31 13:00')",
    "INSERT INTO odd_days VALUES ('2024-05-31'), ('2024-06-01')",
    "INSERT INTO odd_words VALUES ('today')",
    "INSERT INTO odd_sometimes VALUES (1, '2024-05-31 12:00Z'), (2, NULL), (3, '2024-05-31 13:00Z')",
    "INSERT INTO odd_numbers VALUES (7)",
]


@pytest.fixture(scope="module")
def odd(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place beside such a package, whose tables have a few rows."""
    directory = tmp_path_factory.mktemp("odd")
    with new_database(server) as url:
        place = Place(directory, url)
        place.configure({"statscache.monitoring.address": ""})
        place.write("empty.jsonl", "")
        place.beside(install(directory / "installed", "oddities", CODE, oddities="plugins"))
        place.answer("replay", "empty.jsonl")
        engine = create_engine(url)
        with engine.begin() as connection:
            for statement in FILL:
                connection.exec_driver_sql(statement)
        engine.dispose()
        yield place


@pytest.mark.parametrize(
    ("ident", "first"),
    [
        ("totals", ["a", "1"]),
        ("renamed", ["2024-05-31 13:00:00", "NaN"]),
        ("local", ["2024-05-31 13:00:00"]),
        ("days", ["2024-06-01"]),
        ("words", ["today"]),
        ("sometimes", ["2024-05-31 13:00:00"]),
        ("numbers", ["7"]),
    ],
)
def test_show_takes_any_table(ident: str, first: list[str], odd: Place) -> None:
    """What has no instants is shown by its key; what has some, the newest first, and unknown ones last."""
    assert rows(odd.answer("show", ident))[1][: len(first)] == first
    assert len(json.loads(odd.answer("show", ident, "--json"))) > 0


@pytest.mark.parametrize("ident", ["renamed", "local", "days", "sometimes"])
def test_show_since_works_on_any_instants(ident: str, odd: Place) -> None:
    """Whatever their column's type and attribute are."""
    assert len(rows(odd.answer("show", ident, "--since", "2024-05-31T12:30"))) == 2


@pytest.mark.parametrize("ident", ["totals", "words"])
def test_show_since_is_refused_where_there_are_no_instants(ident: str, odd: Place) -> None:
    """In one line."""
    code, output, errors = odd.run("show", ident, "--since", "2h")
    assert (code, output) == (2, "")
    assert errors == f"statscache: {ident} has no instants: leave out --since and --until\n"


def test_plugins_tells_of_those_that_the_database_disables(odd: Place) -> None:
    """A plugin whose table does not fit is not called on, nor one that is suspended."""
    engine = create_engine(odd.environment["STATSCACHE_SQLALCHEMY_URI"])
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE odd_misfit DROP COLUMN page CASCADE"))
        suspension = "('release-engineering-event-logs/compose', now(), now() + interval '1 hour', 1, 'slow')"
        connection.execute(text(f"INSERT INTO statscache_suspension VALUES {suspension}"))
        connection.execute(
            text("INSERT INTO statscache_suspension VALUES ('volume-1m', now(), now(), 1, 'over')")
        )
    engine.dispose()
    listed = {row["ident"]: row["on or off"] for row in told(odd, "plugins")}
    assert listed["misfit-1h"].startswith(
        "disabled: its table odd_misfit does not fit its model (the column page"
    )
    assert listed["release-engineering-event-logs"].startswith("suspended: compose until 20")
    assert listed["release-engineering-event-logs"].endswith(" UTC, slow")
    assert listed["volume-1m"] == "on: by default"
    assert listed["totals"] == "on: by default"


def test_plugins_says_that_the_database_was_not_asked(odd: Place, tmp_path: Path) -> None:
    """One that is away is no reason not to list what is installed, but it is told."""
    place = Place(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    place.configure({"statscache.database.wait": 0.1})
    place.environment["PYTHONPATH"] = odd.environment["PYTHONPATH"]
    code, output, errors = place.run("plugins")
    assert code == 0
    assert "on: by default" in output
    assert errors.startswith(
        "statscache: whether their tables fit is not known: the database of STATSCACHE_SQL"
    )
    assert errors.count("\n") == 1


def test_what_a_new_plugin_counts_is_counted(there: Place) -> None:
    """A message that others knew counts for a plugin that is new, and only what nobody lacks is known already."""
    there.write("lines.jsonl", lines(body(1), body(2)))
    there.answer("replay", "lines.jsonl")
    there.beside(install(there.directory / "installed", "oddities", CODE, oddities="plugins"))
    assert there.answer("replay", "lines.jsonl").startswith("2 messages counted, 0 known already, ")
    there.write("lines.jsonl", lines(body(1), body(2), body(3), body(3)))
    assert there.answer("replay", "lines.jsonl").startswith("1 message counted, 3 known already, ")
