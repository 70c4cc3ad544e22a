"""The table of all metrics."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from from_code.markdown import MarkdownDirective, marked

TITLES = ("metric", "kind", "labels", "meaning")


class Metrics(MarkdownDirective):
    """Every metric with its kind, its labels and its meaning."""

    def lines(self) -> Iterator[str]:
        """Yield the table."""
        try:
            metrics = import_module("statscache.health.metrics").METRICS
        except (ImportError, AttributeError):
            yield "The metrics are not listed in this build."
            return
        yield from self.table(TITLES, map(self._row, metrics))

    def _row(self, metric: Any) -> tuple[str, ...]:
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        return self.named(metric.name, "metric"), metric.kind, labels, marked(metric.about)
