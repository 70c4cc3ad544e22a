"""Rows of statscache's own tables that somebody has deleted: each is repaired, or is said in one clear line."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, text

from statscache.daemon import Daemon, open_daemon
from statscache.span import Span
from statscache.store.coverage import cover
from tests.support.daemons import accept, counted
from tests.support.listening import Listening, assert_honest, seconds_with_messages


def delete(engine: Engine, table: str) -> None:
    """Delete all rows of a table."""
    with engine.begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))


def test_sets_of_plugins_are_found_again(
    daemon: Daemon, engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """Messages that come again are not counted again, and new ones are counted."""
    accept(daemon, 1, 2)
    daemon.flusher.flush()
    delete(engine, "statscache_plugin_set")
    accept(daemon, 2, 3)
    daemon.flusher.flush()
    accept(daemon, 1, 2, 3)
    daemon.flusher.flush()
    assert counted(engine) == 3
    assert "statscache_plugin_set has lost rows" in caplog.text
    assert daemon.finish(5)


def test_a_plugin_that_came_later_still_gets_what_it_lacks(config: dict[str, Any], engine: Engine) -> None:
    """Which plugins have counted a message is known though the set is gone: those that ran at that time."""
    first = open_daemon({**config, "statscache.plugins.disabled": ["volume"]})
    accept(first, 1)
    assert first.finish(5)
    delete(engine, "statscache_plugin_set")
    daemon = open_daemon(config)
    assert counted(engine) == 0
    accept(daemon, 1)
    daemon.flusher.flush()
    assert counted(engine) == 1
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT sum(volume) FROM data_volume_by_category_1m")) == 1
    assert daemon.finish(5)


def test_a_plugin_that_was_away_is_not_taken_for_complete(config: dict[str, Any], engine: Engine) -> None:
    """It had been started before, so it may have counted the message, which it had not: that second is not complete."""
    assert open_daemon(config).finish(5)
    away = open_daemon({**config, "statscache.plugins.disabled": ["volume"]})
    accept(away, 1)
    assert away.finish(5)
    delete(engine, "statscache_plugin_set")
    daemon = open_daemon(config)
    accept(daemon, 1)
    daemon.flusher.flush()
    plugins = [part.ident for part in daemon.app.parts]
    with engine.begin() as connection:
        start = int(
            connection.scalar(text("SELECT extract(epoch FROM min(timestamp)) FROM statscache_ledger"))
        )
        cover(connection, plugins, Span(start - 60, start + 60))
    with engine.connect() as connection:
        complete = dict(
            connection.execute(
                text("SELECT table_name, complete @> to_timestamp(:second) FROM statscache_freshness"),
                {"second": start},
            ).all()
        )
    assert counted(engine) == 0
    assert not complete["data_volume_1m"]
    assert daemon.finish(5)


@pytest.mark.parametrize("table", ["statscache_coverage", "statscache_plugin"])
def test_plugins_are_registered_again(
    table: str, config: dict[str, Any], engine: Engine, caplog: pytest.LogCaptureFixture
) -> None:
    """What was covered before is not known any more; from now on it is."""
    bus = Listening(open_daemon(config))
    bus.live(400)
    delete(engine, table)
    bus.daemon.upkeep.keep_up()
    assert "rows in statscache_plugin or statscache_coverage are gone" in caplog.text
    bus.live(400)
    assert seconds_with_messages(engine) == set(range(1, 801))
    assert_honest(engine)
    with engine.connect() as connection:
        assert (
            connection.scalar(text("SELECT count(*) FROM statscache_freshness WHERE complete <> '{}'")) > 10
        )
    assert bus.daemon.finish(5)
