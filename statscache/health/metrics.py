"""The daemon's own counters as Prometheus has them, read when somebody asks, so that no message pays for it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from statscache.bus.watermark import BOUND
from statscache.counting.measures import Distribution, PluginMeasures
from statscache.health.checks import Health
from statscache.health.parts import Parts

Gauge = GaugeMetricFamily
Counter = CounterMetricFamily


class DaemonCollector(Collector):
    """Gives all metrics of a parts.

    :param health: gives what is known of the daemon; None while it is starting
    """

    def __init__(self, health: Callable[[], Health | None]) -> None:
        self._health = health

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics, each anew."""
        yield InfoMetricFamily("statscache", "The version that runs", {"version": version("statscache")})
        health = self._health()
        yield from _ready(health)
        if health is not None:
            parts = health.parts
            for part in (_messages, _plugins, _flushes, _stores, _gaps, _bus):
                yield from part(parts)


def make_registry(health: Callable[[], Health | None]) -> CollectorRegistry:
    """Return what a scrape reads: the daemon's metrics and those of its process."""
    registry = CollectorRegistry()
    registry.register(DaemonCollector(health))
    ProcessCollector(registry=registry)
    return registry


def _ready(health: Health | None) -> Iterator[Metric]:
    troubles = health.troubles if health else []
    ready = health is not None and not any(trouble.severe for trouble in troubles)
    yield Gauge("statscache_ready", "Whether the daemon does its work, as /ready has it", value=ready)
    family = Gauge(
        "statscache_trouble_seconds",
        "What does not work, and for how long; severe is what makes it not ready",
        labels=("kind", "what", "severe"),
    )
    worst: dict[tuple[str, str, str], float] = {}
    for trouble in troubles:
        labels = (trouble.kind, trouble.what, "yes" if trouble.severe else "no")
        worst[labels] = max(trouble.seconds, worst.get(labels, 0.0))
    yield _filled(family, worst.items())


def _messages(parts: Parts) -> Iterator[Metric]:
    intake = parts.intake
    yield Counter("statscache_messages_received", "Messages that came over the bus", value=intake.received)
    yield Counter("statscache_messages_accepted", "Those that were taken", value=intake.accepted)
    duplicates = intake.duplicates + parts.writer.duplicates
    yield Counter(
        "statscache_messages_duplicate", "Those of these that had been taken before", value=duplicates
    )
    rejected = Counter("statscache_messages_rejected", "Messages without use, by reason", labels=("reason",))
    yield _filled(rejected, _by_text(intake.rejected.counts))
    lost = Counter("statscache_messages_lost", "Messages for which there was no room", labels=("reason",))
    yield _filled(lost, _by_text(intake.lost.counts))


def _plugins(parts: Parts) -> Iterator[Metric]:
    done = parts.writer.measures.plugins
    values: dict[str, tuple[str, Callable[[PluginMeasures], float]]] = {
        "processed": ("Messages that a plugin has dealt with", lambda m: m.processed),
        "failed": ("How often a plugin has failed for a message", lambda m: m.failed),
        "seconds": ("How long a plugin took, its statements left out", lambda m: m.seconds),
        "statement_seconds": ("How long a plugin's statements took", lambda m: m.statements),
    }
    for name, (about, value) in values.items():
        family = Counter(f"statscache_plugin_{name}", about, labels=("plugin",))
        yield _filled(family, (((plugin,), value(measures)) for plugin, measures in done.items()))
    suspended = parts.suspensions.present
    flags = Gauge("statscache_plugin_suspended", "Whether a plugin is left alone", labels=("plugin",))
    yield _filled(flags, (((plugin,), plugin in suspended) for plugin in done))
    flags = Gauge("statscache_plugin_unable", "Plugins that should run and do not", labels=("plugin",))
    yield _filled(flags, (((name,), 1) for name in parts.unable))


def _flushes(parts: Parts) -> Iterator[Metric]:
    measures, flusher = parts.writer.measures, parts.flusher
    yield _histogram("statscache_flush_seconds", "How long flushes took", measures.flush_seconds)
    yield _histogram(
        "statscache_delay_seconds", "From a message's time, cut to seconds, to its commit", measures.delay
    )
    yield Gauge(
        "statscache_last_delay_seconds",
        "The greatest such delay in the last flush",
        value=measures.last_delay,
    )
    yield Counter("statscache_flush_rows", "Rows written, in all tables", value=measures.rows)
    yield Counter("statscache_flush_failures", "Flushes that failed", value=flusher.pulse.failures)
    yield Gauge(
        "statscache_last_flush_timestamp_seconds",
        "When a flush last wrote messages",
        value=measures.flushed_at,
    )


def _stores(parts: Parts) -> Iterator[Metric]:
    census = parts.inventory.latest
    yield Gauge("statscache_queue_messages", "Messages that wait for a flush", value=parts.intake.queued)
    yield Gauge("statscache_spool_bytes", "What is accepted and not committed", value=parts.spooled)
    yield Gauge("statscache_spool_limit_bytes", "How much there is room for", value=parts.spool.limit)
    yield Gauge("statscache_ledger_rows", "About how many messages the ledger has", value=census.ledger_rows)
    yield Gauge("statscache_ledger_bytes", "How large it is", value=census.ledger_bytes)
    held = Gauge("statscache_quarantine_messages", "Messages set aside for a plugin", labels=("plugin",))
    yield _filled(held, (((plugin,), found.quarantined) for plugin, found in census.plugins.items()))


def _gaps(parts: Parts) -> Iterator[Metric]:
    found = parts.inventory.latest.plugins
    gaps = Gauge("statscache_gaps", "Times that a plugin has not counted in full", labels=("plugin",))
    yield _filled(gaps, (((plugin,), one.gaps) for plugin, one in found.items()))
    seconds = Gauge("statscache_gap_seconds", "How long these are together", labels=("plugin",))
    yield _filled(seconds, (((plugin,), one.gap_seconds) for plugin, one in found.items()))
    counted = parts.filler.counted if parts.filler else 0
    yield Counter("statscache_history_messages", "Messages counted from the archive", value=counted)


def _bus(parts: Parts) -> Iterator[Metric]:
    missing = parts.attendance.missing
    names = [name for name in parts.attendance.endpoints if not name.endswith(BOUND)]
    family = Gauge("statscache_bus_connected", "Whether an endpoint is connected", labels=("endpoint",))
    yield _filled(family, (((name,), name not in missing) for name in names))


def _filled(family: Metric, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
    """Add a sample for each tuple of labels to a family of counters or gauges, and return it."""
    assert isinstance(family, CounterMetricFamily | GaugeMetricFamily)
    for labels, value in values:
        family.add_metric(labels, value)
    return family


def _by_text(counts: Mapping[str, int]) -> list[tuple[tuple[str, ...], float]]:
    return [((reason,), count) for reason, count in dict(counts).items()]


def _histogram(name: str, about: str, values: Distribution) -> Metric:
    return HistogramMetricFamily(name, about, buckets=values.cumulated(), sum_value=values.sum)
