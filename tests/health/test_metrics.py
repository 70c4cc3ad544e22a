"""All metrics are declared once, and a scrape has them all."""

from __future__ import annotations

import re

from prometheus_client import generate_latest
from sqlalchemy import Engine

from statscache.daemon import Daemon
from statscache.health.checks import Health
from statscache.health.collector import make_registry
from statscache.health.metrics import METRICS
from statscache.schema.migrations.tree import TREE
from tests.support.sql import run


def test_a_scrape_has_what_is_declared_and_nothing_else(daemon: Daemon) -> None:
    """By name and kind, but for what Prometheus's own client tells of the process."""
    health = Health(daemon.parts)
    scraped = generate_latest(make_registry(lambda: health)).decode()
    kinds = dict(re.findall(r"^# TYPE (statscache\w*) (\w+)$", scraped, re.MULTILINE))
    suffixes = {"counter": "_total", "info": "_info"}
    declared = {
        metric.name + suffixes.get(metric.kind, ""): metric.kind.replace("info", "gauge")
        for metric in METRICS
    }
    assert kinds == declared


def test_each_is_explained_in_a_sentence() -> None:
    """A scrape gives it as help, and the documentation in a table."""
    assert all(re.fullmatch(r"[A-Z0-9].*\.", metric.about) for metric in METRICS)
    assert len({metric.name for metric in METRICS}) == len(METRICS)


def test_upgrades_that_wait_are_counted(daemon: Daemon, engine: Engine) -> None:
    """At each look at what the database holds."""
    registry = make_registry(lambda: Health(daemon.parts))
    assert registry.get_sample_value("statscache_upgrades_waiting") == 0
    run(engine, "DELETE FROM statscache_schema")
    daemon.inventory.run()
    assert registry.get_sample_value("statscache_upgrades_waiting") == len(TREE.revisions) - 1
