"""The metrics as Prometheus has them, read when somebody asks, so that no message pays for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from statscache.bus.interface import BOUND
from statscache.health import metrics
from statscache.health.checks import Health
from statscache.health.parts import Parts


class DaemonCollector(Collector):
    """Gives all metrics of a daemon.

    :param health: gives what is known of the daemon; None while it is starting
    """

    def __init__(self, health: Callable[[], Health | None]) -> None:
        self._health = health
        self._version = version("statscache")  # read once, as there may be no descriptor left to read it with

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, each anew."""
        yield metrics.VERSION.info({"version": self._version})
        health = self._health()
        yield from _ready(health)
        if health is not None:
            for look in (_messages, _plugins, _flushes, _stores, _tables, _gaps, _bus):
                yield from look(health.parts)


def make_registry(health: Callable[[], Health | None]) -> CollectorRegistry:
    """Return what a scrape reads: the daemon's metrics and those of its process."""
    registry = CollectorRegistry()
    registry.register(DaemonCollector(health))
    ProcessCollector(registry=registry)
    return registry


def _ready(health: Health | None) -> Iterator[Metric]:
    troubles = health.troubles if health else []
    yield metrics.READY.value(health is not None and not any(trouble.severe for trouble in troubles))
    worst: dict[tuple[str, ...], float] = {}
    for trouble in troubles:
        labels = (trouble.kind, trouble.what, "yes" if trouble.severe else "no")
        worst[labels] = max(trouble.seconds, worst.get(labels, 0.0))
    yield metrics.TROUBLE.values(worst.items())


def _messages(parts: Parts) -> Iterator[Metric]:
    intake = parts.intake
    yield metrics.RECEIVED.value(intake.received)
    yield metrics.ACCEPTED.value(intake.accepted)
    yield metrics.DUPLICATE.value(intake.duplicates + parts.writer.duplicates)
    yield metrics.REJECTED.by_label(dict(intake.rejected.counts))
    yield metrics.LOST.by_label(dict(intake.lost.counts))


def _plugins(parts: Parts) -> Iterator[Metric]:
    done = parts.writer.measures.plugins
    suspended = parts.suspensions.present
    yield metrics.PROCESSED.by_label({plugin: its.processed for plugin, its in done.items()})
    yield metrics.FAILED.by_label({plugin: its.failed for plugin, its in done.items()})
    yield metrics.SECONDS.by_label({plugin: its.seconds for plugin, its in done.items()})
    yield metrics.STATEMENT_SECONDS.by_label({plugin: its.statements for plugin, its in done.items()})
    yield metrics.SUSPENDED.by_label({plugin: plugin in suspended for plugin in done})
    yield metrics.UNABLE.by_label(dict.fromkeys(parts.unable, 1))


def _flushes(parts: Parts) -> Iterator[Metric]:
    measures = parts.writer.measures
    yield metrics.FLUSH_SECONDS.distribution(measures.flush_seconds)
    yield metrics.DELAY_SECONDS.distribution(measures.delay)
    yield metrics.LAST_DELAY.value(measures.last_delay)
    yield metrics.FLUSH_ROWS.value(measures.rows)
    yield metrics.FLUSH_FAILURES.value(parts.flusher.flushes.failures)
    yield metrics.LAST_FLUSH.value(measures.flushed_at)


def _stores(parts: Parts) -> Iterator[Metric]:
    found = parts.inventory.latest
    yield metrics.QUEUE.value(parts.intake.queued)
    yield metrics.SPOOL.value(parts.spooled)
    yield metrics.SPOOL_LIMIT.value(parts.spool.limit)
    yield metrics.LEDGER_ROWS.value(found.ledger_rows)
    yield metrics.LEDGER_BYTES.value(found.ledger_bytes)
    yield metrics.QUARANTINE.by_label({plugin: its.quarantined for plugin, its in found.plugins.items()})
    yield metrics.KEPT_BACK.value(parts.keeping.number)
    yield metrics.UPGRADES.value(parts.inventory.upgrades)


def _tables(parts: Parts) -> Iterator[Metric]:
    found = parts.disk.latest
    known = [(its.table.name, its.table.files) for its in found if its.table.files]
    sizes = [
        ((name, part), float(getattr(files, part)))
        for name, files in known
        for part in ("heap", "indexes", "toast")
    ]
    yield metrics.TABLE_BYTES.values(sizes)
    yield metrics.TABLE_ROWS.by_label({name: files.rows for name, files in known})
    growth = {its.table.name: its.growth_bytes for its in found}
    freed = {its.table.name: its.freed_bytes for its in found}
    for metric, sizes_by_table in ((metrics.TABLE_GROWTH, growth), (metrics.TABLE_FREED, freed)):
        yield metric.by_label({name: size for name, size in sizes_by_table.items() if size is not None})


def _gaps(parts: Parts) -> Iterator[Metric]:
    found = parts.inventory.latest.plugins
    yield metrics.GAPS.by_label({plugin: its.gaps for plugin, its in found.items()})
    yield metrics.GAP_SECONDS.by_label({plugin: its.gap_seconds for plugin, its in found.items()})
    yield metrics.HISTORY.value(parts.filler.counted if parts.filler else 0)


def _bus(parts: Parts) -> Iterator[Metric]:
    missing = parts.watermark.missing
    names = [name for name in parts.watermark.endpoints if not name.endswith(BOUND)]
    yield metrics.CONNECTED.by_label({name: name not in missing for name in names})
    yield metrics.WAITING.by_label(parts.waiting)
    standby = parts.watermark.standby
    yield metrics.STANDBY.by_label({name: name in standby for name in names})
