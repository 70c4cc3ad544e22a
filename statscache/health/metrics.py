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


@dataclass(frozen=True)
class Definition:
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


VERSION = Definition("statscache", "info", "The version that runs.", ("version",))
READY = Definition("statscache_ready", "gauge", "1 if messages are counted, as /ready says, else 0.")
TROUBLE = Definition(
    "statscache_trouble_seconds",
    "gauge",
    "What does not work, and for how long. A severe trouble makes the daemon not ready.",
    ("kind", "what", "severe"),
)
RECEIVED = Definition("statscache_messages_received", "counter", "Messages that came over the bus.")
ACCEPTED = Definition("statscache_messages_accepted", "counter", "Messages that were accepted.")
DUPLICATE = Definition(
    "statscache_messages_duplicate", "counter", "Accepted messages that had been accepted before."
)
REJECTED = Definition("statscache_messages_rejected", "counter", "Messages that were rejected.", REASON)
LOST = Definition("statscache_messages_lost", "counter", "Messages that the spool had no room for.", REASON)
PROCESSED = Definition(
    "statscache_plugin_processed", "counter", "Messages that a plugin has processed.", PLUGIN
)
FAILED = Definition(
    "statscache_plugin_failed", "counter", "How often a plugin has failed for a message.", PLUGIN
)
SECONDS = Definition(
    "statscache_plugin_seconds", "counter", "How long a plugin took, without its SQL statements.", PLUGIN
)
STATEMENT_SECONDS = Definition(
    "statscache_plugin_statement_seconds", "counter", "How long a plugin's SQL statements took.", PLUGIN
)
SUSPENDED = Definition("statscache_plugin_suspended", "gauge", "1 if a plugin is suspended, else 0.", PLUGIN)
UNABLE = Definition(
    "statscache_plugin_unable", "gauge", "1 for each plugin that should run and does not.", PLUGIN
)
FLUSH_SECONDS = Definition("statscache_flush_seconds", "histogram", "How long flushes took.")
DELAY_SECONDS = Definition(
    "statscache_delay_seconds", "histogram", "From a message's time, cut to seconds, to its commit."
)
LAST_DELAY = Definition(
    "statscache_last_delay_seconds", "gauge", "The delay of the oldest message of the last flush."
)
FLUSH_ROWS = Definition("statscache_flush_rows", "counter", "Rows that flushes have written, in all tables.")
FLUSH_FAILURES = Definition("statscache_flush_failures", "counter", "Flushes that failed.")
LAST_FLUSH = Definition(
    "statscache_last_flush_timestamp_seconds", "gauge", "When a flush last wrote messages."
)
QUEUE = Definition("statscache_queue_messages", "gauge", "Messages that wait for the next flush.")
SPOOL = Definition("statscache_spool_bytes", "gauge", "Bytes that are accepted and not committed.")
SPOOL_LIMIT = Definition("statscache_spool_limit_bytes", "gauge", "Bytes that the spool holds at most.")
LEDGER_ROWS = Definition("statscache_ledger_rows", "gauge", "About how many messages the ledger holds.")
LEDGER_BYTES = Definition("statscache_ledger_bytes", "gauge", "The ledger's size with its indexes.")
QUARANTINE = Definition(
    "statscache_quarantine_messages", "gauge", "Messages in the quarantine of a plugin.", PLUGIN
)
GAPS = Definition("statscache_gaps", "gauge", "Gaps in what a plugin has counted.", PLUGIN)
GAP_SECONDS = Definition("statscache_gap_seconds", "gauge", "The length of a plugin's gaps together.", PLUGIN)
HISTORY = Definition("statscache_history_messages", "counter", "Messages counted from the archive.")
CONNECTED = Definition(
    "statscache_bus_connected", "gauge", "1 if an endpoint of the bus is connected, else 0.", ("endpoint",)
)

METRICS = (
    *(VERSION, READY, TROUBLE, RECEIVED, ACCEPTED, DUPLICATE, REJECTED, LOST),
    *(PROCESSED, FAILED, SECONDS, STATEMENT_SECONDS, SUSPENDED, UNABLE),
    *(FLUSH_SECONDS, DELAY_SECONDS, LAST_DELAY, FLUSH_ROWS, FLUSH_FAILURES, LAST_FLUSH),
    *(
        QUEUE,
        SPOOL,
        SPOOL_LIMIT,
        LEDGER_ROWS,
        LEDGER_BYTES,
        QUARANTINE,
        GAPS,
        GAP_SECONDS,
        HISTORY,
        CONNECTED,
    ),
)
