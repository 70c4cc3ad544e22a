"""The alerts for Prometheus."""

from __future__ import annotations

from pathlib import Path

RULES = Path(__file__).parents[2] / "extras" / "prometheus" / "statscache.rules.yml"
