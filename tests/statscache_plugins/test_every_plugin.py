"""What holds for every installed plugin."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, delete, inspect, select, text
from sqlalchemy.orm import Session

from statscache.daemon import Daemon, open_daemon
from statscache.hosting.loader import Entry, Part, load, running
from statscache.hosting.runner import Runner, make_runner
from statscache.messages.message import Message
from statscache.messages.pseudonyms import Pseudonyms
from statscache.plugins import CountModel, Umbrella
from statscache.settings import Settings
from tests.support.databases import new_database
from tests.support.place import ALL_ON

SETTINGS = Settings("postgresql:///", 1.0, frozenset(ALL_ON), frozenset(), database_wait=1.0)
ENTRIES = load(SETTINGS, {})
PARTS = running(ENTRIES)
PLUGINS = [plugin for entry in ENTRIES for plugin in entry.plugins]
WHEN = 1_700_000_000
TOPICS = (
    "org.fedoraproject.prod.bodhi.update.comment",
    "io.pagure.prod.pagure.issue.new",
    "io.pagure.prod.pagure.git.receive",
    "org.fedoraproject.prod.git.receive",
    "org.fedoraproject.prod.compose.rawhide.start",
    "org.fedoraproject.prod.bodhi.updates.fedora.sync",
    "org.fedoraproject.prod.fedimg.image.upload",
    "org.fedoraproject.prod.buildsys.task.state.change",
    "org.fedoraproject.prod.buildsys.build.state.change",
    "org.fedoraproject.prod.copr.build.end",
    "org.fedoraproject.prod.bodhi.update.request.testing",
    "io.pagure.prod.pagure.pull-request.closed",
    "org.fedoraproject.prod.pungi.compose.status.change",
    "org.fedoraproject.prod.compose.branched.complete",
    "org.fedoraproject.prod.releng.atomic.twoweek.complete",
    "org.fedoraproject.prod.mailman.receive",
    "org.fedoraproject.prod.planet.post.new",
    "too.short",
)
SHAPES: tuple[Any, ...] = (
    {},
    None,
    [1, 2],
    "text",
    7,
    {
        "user": {"name": "ada"},
        "agent": "ada",
        "project": {"name": "x"},
        "arch": "arm",
        "release": "41",
        "repo": "u",
    },
    {
        "status": "completed",
        "image_name": "a-b-c-rawhide-1.x",
        "destination": "us-east-1",
        "extra": {"id": "ami-1"},
    },
    {"owner": "masher", "method": "livecd", "srpm": "Live-x86_64", "new": "OPEN", "info": None},
    {
        "attribute": "state",
        **{"build_id": 7, "old": 0, "new": 1, "build": 7, "chroot": "fedora-41-x86_64", "status": 1},
        "update": {"alias": "FEDORA-2024-7", "release": {"name": "F41"}},
        "pullrequest": {"id": 7, "project": {"id": 7, "name": "x"}},
        **{"issue": {"id": 7, "status": "Open"}, "project": {"id": 7, "name": "x"}, "merged": True},
    },
    {"compose_id": "Fedora-41-20240601.n.0", "status": "FINISHED"},
    {"attribute": "state", "build_id": 7, "new": 0, "instance": "\ud800"},
    {"agent": "a\0b", "project": {"name": "\ud800"}, "user": {"name": "x" * 3000}},
)


def bodies() -> list[dict[str, Any]]:
    """Return messages of every topic in every shape."""
    pairs = [(topic, shape) for topic in TOPICS for shape in SHAPES]
    return [
        {"topic": topic, "msg": shape, "msg_id": f"2023-{n}", "timestamp": WHEN + n, "i": n}
        for n, (topic, shape) in enumerate(pairs)
    ]


@pytest.fixture(scope="module")
def tables(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """An engine on the tables of all plugins, for tests that touch those of their plugin alone."""
    with new_database(server) as url:
        config = {"statscache.sqlalchemy.uri": url, "statscache.plugins.enabled": ALL_ON}
        config["statscache.spool.directory"] = str(tmp_path_factory.mktemp("spool"))
        open_daemon(config).engine.dispose()
        engine = create_engine(url)
        yield engine
        engine.dispose()


def test_the_entry_points_are_these() -> None:
    """The plugins of this package are found under these names, and three are off by default."""
    mine = {
        p.name: p.value
        for p in entry_points(group="statscache.plugin")
        if p.dist and p.dist.name == "statscache"
    }
    assert mine == {
        "volume": "statscache_plugins.volume.simple:plugins",
        "volume_by_category": "statscache_plugins.volume.by_category:plugins",
        "volume_by_topic": "statscache_plugins.volume.by_topic:plugins",
        "volume_by_user": "statscache_plugins.volume.by_user:plugins",
        "volume_by_package": "statscache_plugins.volume.by_package:plugins",
        "releng": "statscache_plugins.releng:Plugin",
        "pagure": "statscache_plugins.pagure.pagure_contribution:plugins",
        "pagure_users": "statscache_plugins.pagure.pagure_users_contribution:plugins",
        "pagure_project": "statscache_plugins.pagure.pagure_project_contribution:plugins",
        "volume_by_topic_coarse": "statscache_plugins.volume.by_topic:coarse_plugins",
        "volume_by_user_coarse": "statscache_plugins.volume.by_user:coarse_plugins",
        "volume_by_package_coarse": "statscache_plugins.volume.by_package:coarse_plugins",
        "contributions": "statscache_plugins.people.contributions:plugins",
        "newcomers": "statscache_plugins.people.newcomers:Plugin",
        "notes": "statscache_plugins.notes:Plugin",
        "koji_builds": "statscache_plugins.durations.koji_builds:Plugin",
        "copr_builds": "statscache_plugins.durations.copr_builds:Plugin",
        "bodhi_updates": "statscache_plugins.durations.bodhi_updates:Plugin",
        "pagure_requests_and_issues": "statscache_plugins.durations.pagure:plugins",
        "pungi_composes": "statscache_plugins.durations.pungi_composes:Plugin",
    }
    off = {entry.name for entry in load(Settings("", 1.0, frozenset(), frozenset()), {}) if not entry.on}
    assert off == set(ALL_ON)


def test_idents_are_unique_and_all_loads() -> None:
    """Every entry point loads, and no two plugins have one ident."""
    idents = [plugin.ident for plugin in PLUGINS]
    assert len(set(idents)) == len(idents)
    assert [failure for entry in ENTRIES for failure in entry.failures] == []
    assert "volume-by-category-15s" in idents
    assert "pagure-contributions-by-project-1d" in idents
    assert "release-engineering-event-logs/compose" in {part.ident for part in PARTS}


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.ident)
def test_a_plugin_says_what_it_is(plugin: Any) -> None:
    """It has a name, a summary and a description, and its ident ends in its interval."""
    assert plugin.name
    assert plugin.summary
    assert plugin.description
    assert (plugin.interval is None) == (plugin.schedule is None)
    assert plugin.interval is None or plugin.ident.endswith(f"-{plugin.schedule}")


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.ident)
def test_its_table_explains_itself(plugin: Any, tables: Engine) -> None:
    """The table and each column have comments; counts are bigint under (window, key), with an index by key."""
    name = plugin.model.__table__.name
    inspector = inspect(tables)
    assert inspector.get_table_comment(name)["text"]
    columns = {column["name"]: column for column in inspector.get_columns(name)}
    assert all(column["comment"] for column in columns.values())
    if issubclass(plugin.model, CountModel):
        key = inspector.get_pk_constraint(name)["constrained_columns"]
        assert key[0] == "timestamp"
        assert set(columns) == {*key, "volume"}
        assert str(columns["volume"]["type"]) == "BIGINT"
        assert str(columns["timestamp"]["type"].compile(tables.dialect)) == "TIMESTAMP WITH TIME ZONE"
        indexes = [index["column_names"] for index in inspector.get_indexes(name)]
        assert sorted(indexes) == sorted([name, "timestamp"] for name in key[1:])


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.ident)
def test_it_takes_every_shape_and_writes_once(part: Part, tables: Engine) -> None:
    """Whatever a message holds, the plugin writes what it can, once, and nothing when there is nothing."""
    with tables.begin() as connection:
        connection.execute(delete(part.plugin.model.__table__))  # parts of one umbrella share theirs
    runner = make_runner(Part(part.ident, part.make(), part.make), Pseudonyms())
    first = _updated(runner, part, tables, [Message(body) for body in bodies()])
    assert _updated(runner, part, tables, []) == first
    plugin = part.make()
    with Session(tables) as session:
        plugin.update(session)
        newest = plugin.latest(session)
        assert (newest is None) == (first == [])
        if newest is not None:
            plugin.revert(newest, session)
            left = plugin.latest(session)
            assert left is None or left < newest


def _updated(runner: Runner, part: Part, engine: Engine, messages: list[Message]) -> list[Any]:
    """Let the plugin write what messages come to, and return the rows of its table."""
    taken = runner.take(lambda: iter(messages))
    with Session(engine) as session:
        runner.update(session, taken)
        session.commit()
        return [tuple(row) for row in session.execute(select(part.plugin.model.__table__))]


def test_no_shape_of_message_gets_out_of_the_intake(daemon: Daemon, engine: Engine) -> None:
    """All messages are accepted, whatever plugins make of them, and all are in the table of all messages."""
    for body in bodies():
        assert daemon.intake.accept(body)
    daemon.flusher.flush()
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_1m")) == len(bodies())


def test_an_umbrella_lets_no_part_stop_the_others_and_swallows_nothing(
    engine: Engine, daemon: Daemon
) -> None:
    """Called directly, releng gives each part its turn and then raises what parts raised."""
    releng = next(plugin for plugin in PLUGINS if isinstance(plugin, Umbrella))
    bad = {"topic": "org.fedoraproject.prod.compose.rawhide.start", "msg": None, "timestamp": WHEN}
    with pytest.raises(ExceptionGroup) as caught:
        releng.process(Message(bad))
    assert len(caught.value.exceptions) == 1
    releng.process(Message({**bad, "msg": {"arch": "arm"}}))
    with Session(engine) as session:
        releng.update(session)
        session.commit()
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT category, message->>'status' FROM data_releng_dashboard")
        ).all()
    assert [tuple(row) for row in rows] == [("compose-rawhide_arm", "start")]


def test_the_layout_names_what_the_parts_write() -> None:
    """The dashboard's layout has groups of components, and options for how they are shown."""
    releng = next(plugin for plugin in PLUGINS if isinstance(plugin, Umbrella))
    layout: dict[str, Any] = releng.layout  # type: ignore[attr-defined]
    components = [component for group in layout["groups"] for component in group["components"]]
    idents = {component["id"] for component in components}
    wanted = {"compose-rawhide_primary", "updates-fedora", "ami-rawhide", "artifact-livecd_x86_64"}
    assert wanted <= idents
    assert all({"id", "name", "show_status", "show_time_at"} <= set(component) for component in components)
    assert {"show_status", "show_time_at", "status_verb_map", "status_class_map", "old_log_threshold"} <= set(
        layout["default_options"]
    )


def test_an_entry_counts_as_on_or_off_with_a_reason() -> None:
    """Every entry point has a reason for being on or off."""
    assert all(isinstance(entry, Entry) and entry.why for entry in ENTRIES)
