"""What the database holds of the daemon's own is looked at now and then."""

from __future__ import annotations

from statscache.daemon import Daemon


def test_a_census_looks_only_at_the_plugins_that_run(daemon: Daemon) -> None:
    """What the database holds of others is not this daemon's."""
    daemon.upkeep.keep_up()
    assert set(daemon.inventory.latest.plugins) == daemon.writer.plugins
    assert all(one.gap_seconds == 0 for one in daemon.inventory.latest.plugins.values())
