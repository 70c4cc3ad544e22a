"""The units for systemd that we ship."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import pytest

EXTRAS = Path(__file__).parents[2] / "extras"
UNITS = ["systemd/statscache.service", "systemd/statscache-amqp.service", "statscache-web.service"]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_keeps_its_service_up_however_it_ends(unit: str) -> None:
    """systemd takes an exit code of 0 and some signals for no failure, so `on-failure` would leave it down."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(EXTRAS / unit)
    assert parser["Service"]["Restart"] == "always"
    assert "ExecReload" not in parser["Service"] or "-HUP" in parser["Service"]["ExecReload"]
