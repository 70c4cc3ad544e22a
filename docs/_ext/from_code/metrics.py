"""The table of all metrics."""

from __future__ import annotations

from collections.abc import Iterator

from from_code.markdown import MarkdownDirective, marked
from statscache.health.metrics import METRICS, MetricDefinition

TITLES = ("metric", "kind", "labels", "meaning")


class Metrics(MarkdownDirective):
    """Every metric with its kind, its labels and its meaning."""

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        yield from self.table(TITLES, map(self._row, METRICS))

    def _row(self, metric: MetricDefinition) -> tuple[str, ...]:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        return self.named(metric.name, "metric"), metric.kind, labels, marked(metric.about)
