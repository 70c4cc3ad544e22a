"""The alerts for Prometheus: they are sound, and its own tool agrees."""

from __future__ import annotations

import shutil
import subprocess

import yaml

from tests.support.prometheus import RULES


def test_the_alerts_are_sound() -> None:
    """Each rule has an expression, a severity, and words; Prometheus's own tool agrees where it is installed."""
    groups = yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]
    for rule in (rule for group in groups for rule in group["rules"]):
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert set(rule["annotations"]) == {"summary", "description"}
    if promtool := shutil.which("promtool"):
        for command in (["check", "rules", RULES.name], ["test", "rules", "statscache.rules.test.yml"]):
            subprocess.run([promtool, *command], cwd=RULES.parent, check=True, capture_output=True)
