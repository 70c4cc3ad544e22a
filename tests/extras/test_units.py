"""The units for systemd that we ship."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

EXTRAS = Path(__file__).parents[2] / "extras"
UNITS = ["statscache.service", "statscache-amqp.service", "statscache-web.service"]
SYSTEMD = EXTRAS / "systemd"
#: What `systemd-analyze security` may say at most, of 10.
EXPOSED = 3.0


def test_all_units_are_in_one_folder() -> None:
    """There are no others."""
    assert sorted(EXTRAS.rglob("*.service")) == sorted(SYSTEMD / unit for unit in UNITS)


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_gives_its_service_no_more_than_it_needs(unit: str) -> None:
    """systemd's own judgement of what an attacker who has taken over the service could reach."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("needs systemd-analyze")
    asked = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(SYSTEMD / unit)]
    output = subprocess.run(asked, capture_output=True, text=True).stdout
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", output)
    assert level, output
    assert float(level[1]) < EXPOSED, output


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_keeps_its_service_up_however_it_ends(unit: str) -> None:
    """systemd takes an exit code of 0 and some signals for no failure, so `on-failure` would leave it down."""
    parser = ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment, method-assign]
    parser.read(SYSTEMD / unit)
    assert parser["Service"]["Restart"] == "always"
    assert "ExecReload" not in parser["Service"] or "-HUP" in parser["Service"]["ExecReload"]
