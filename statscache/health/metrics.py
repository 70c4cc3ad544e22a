"""All metrics, each declared here and nowhere else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from statscache.counting.measures import Distribution

FAMILIES: dict[str, Any] = {"counter": CounterMetricFamily, "gauge": GaugeMetricFamily}
PLUGIN = ("plugin",)
REASON = ("reason",)
TABLE = ("table",)


@dataclass(frozen=True)
class MetricDefinition:
    """A metric.

    :param name: without the ``_total`` that Prometheus adds to a counter's
    :param about: one sentence, which a scrape gives as its help
    """

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    about: str
    labels: tuple[str, ...] = ()

    def value(self, value: float) -> Metric:
        """Return the metric with its one value."""
        metric: Metric = FAMILIES[self.kind](self.name, self.about, value=value)
        return metric

    def values(self, values: Iterable[tuple[tuple[str, ...], float]]) -> Metric:
        """Return the metric with a value for each tuple of labels."""
        metric: Metric = FAMILIES[self.kind](self.name, self.about, labels=self.labels)
        for labels, value in values:
            metric.add_metric(labels, value)  # type: ignore[attr-defined]  # counters and gauges have it
        return metric

    def by_label(self, values: Mapping[str, float]) -> Metric:
        """Return the metric with a value for each value of its only label."""
        return self.values(((label,), value) for label, value in values.items())

    def distribution(self, values: Distribution) -> Metric:
        """Return the metric as a histogram."""
        return HistogramMetricFamily(self.name, self.about, buckets=values.cumulated(), sum_value=values.sum)

    def info(self, values: dict[str, str]) -> Metric:
        """Return the metric as a text for each label."""
        return InfoMetricFamily(self.name, self.about, values)


VERSION = MetricDefinition("statscache", "info", "The version that runs.", ("version",))
READY = MetricDefinition("statscache_ready", "gauge", "1 if messages are counted, as /ready says, else 0.")
TROUBLE = MetricDefinition(
    "statscache_trouble_seconds",
    "gauge",
    "What does not work, and for how long. A severe trouble makes the daemon not ready.",
    ("kind", "what", "severe"),
)
RECEIVED = MetricDefinition("statscache_messages_received", "counter", "Messages that came over the bus.")
ACCEPTED = MetricDefinition("statscache_messages_accepted", "counter", "Messages that were accepted.")
DUPLICATE = MetricDefinition(
    "statscache_messages_duplicate", "counter", "Accepted messages that had been accepted before."
)
REJECTED = MetricDefinition("statscache_messages_rejected", "counter", "Messages that were rejected.", REASON)
LOST = MetricDefinition(
    "statscache_messages_lost", "counter", "Messages that the spool had no room for.", REASON
)
PROCESSED = MetricDefinition(
    "statscache_plugin_processed", "counter", "Messages that a plugin has processed.", PLUGIN
)
FAILED = MetricDefinition(
    "statscache_plugin_failed", "counter", "How often a plugin has failed for a message.", PLUGIN
)
SECONDS = MetricDefinition(
    "statscache_plugin_seconds", "counter", "How long a plugin took, without its SQL statements.", PLUGIN
)
STATEMENT_SECONDS = MetricDefinition(
    "statscache_plugin_statement_seconds",
    "counter",
    "How long a plugin's SQL statements took, without those that a flush sends with its COMMIT.",
    PLUGIN,
)
SUSPENDED = MetricDefinition(
    "statscache_plugin_suspended", "gauge", "1 if a plugin is suspended, else 0.", PLUGIN
)
UNABLE = MetricDefinition(
    "statscache_plugin_unable", "gauge", "1 for each plugin that should run and does not.", PLUGIN
)
FLUSH_SECONDS = MetricDefinition("statscache_flush_seconds", "histogram", "How long flushes took.")
DELAY_SECONDS = MetricDefinition(
    "statscache_delay_seconds", "histogram", "Time from a message's timestamp, cut to seconds, to its commit."
)
LAST_DELAY = MetricDefinition(
    "statscache_last_delay_seconds", "gauge", "The delay of the oldest message of the last flush."
)
FLUSH_ROWS = MetricDefinition(
    "statscache_flush_rows", "counter", "Rows that flushes have written, in all tables."
)
FLUSH_FAILURES = MetricDefinition("statscache_flush_failures", "counter", "Flushes that failed.")
LAST_FLUSH = MetricDefinition(
    "statscache_last_flush_timestamp_seconds", "gauge", "When a flush last wrote messages."
)
QUEUE = MetricDefinition("statscache_queue_messages", "gauge", "Messages that wait for the next flush.")
SPOOL = MetricDefinition(
    "statscache_spool_bytes", "gauge", "Bytes of messages that are accepted and not yet committed."
)
SPOOL_LIMIT = MetricDefinition("statscache_spool_limit_bytes", "gauge", "Bytes that the spool may hold.")
LEDGER_ROWS = MetricDefinition("statscache_ledger_rows", "gauge", "About how many messages the ledger holds.")
LEDGER_BYTES = MetricDefinition("statscache_ledger_bytes", "gauge", "The ledger's size with its indexes.")
TABLE_BYTES = MetricDefinition(
    "statscache_table_bytes",
    "gauge",
    "The size of a table's heap, indexes or toast, its partitions included, looked at every 15 minutes.",
    ("table", "part"),
)
TABLE_ROWS = MetricDefinition("statscache_table_rows", "gauge", "About how many rows a table has.", TABLE)
TABLE_GROWTH = MetricDefinition(
    "statscache_table_growth_bytes",
    "gauge",
    "About how many bytes a table of windows grows by in 30 days, where that is known.",
    TABLE,
)
TABLE_FREED = MetricDefinition(
    "statscache_table_droppable_bytes",
    "gauge",
    "About how many bytes of a table statscache.keep would free now, where that bounds it and this is known.",
    TABLE,
)
QUARANTINE = MetricDefinition(
    "statscache_quarantine_messages", "gauge", "Messages in the quarantine of a plugin.", PLUGIN
)
KEPT_BACK = MetricDefinition(
    "statscache_kept_back_messages", "gauge", "Copies of bridges that are kept back until the originals come."
)
GAPS = MetricDefinition("statscache_gaps", "gauge", "Gaps in what a plugin has counted.", PLUGIN)
GAP_SECONDS = MetricDefinition(
    "statscache_gap_seconds", "gauge", "The total length of a plugin's gaps.", PLUGIN
)
UPGRADES = MetricDefinition(
    "statscache_upgrades_waiting", "gauge", "Upgrades of the tables that wait for `statscache upgrade`."
)
HISTORY = MetricDefinition("statscache_history_messages", "counter", "Messages counted from the archive.")
CONNECTED = MetricDefinition(
    "statscache_bus_connected", "gauge", "1 if an endpoint of the bus is connected, else 0.", ("endpoint",)
)
WAITING = MetricDefinition(
    "statscache_bus_queue_messages",
    "gauge",
    "Messages that wait in a queue of the broker, without those that are delivered and not yet acknowledged.",
    ("queue",),
)
STANDBY = MetricDefinition(
    "statscache_bus_standby",
    "gauge",
    "1 if this daemon stands by for another at an endpoint, else 0.",
    ("endpoint",),
)

#: All of them, in the order in which they are declared.
METRICS = tuple(value for value in tuple(globals().values()) if isinstance(value, MetricDefinition))
