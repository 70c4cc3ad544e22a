"""The periods that a step asks for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from statscache.query.errors import BadQuestion
from statscache.query.periods import Period, Step
from statscache.query.steps import present_period

NOON = datetime(2024, 10, 27, 12, tzinfo=UTC)


def test_an_answer_depends_on_the_present_period() -> None:
    """So it is another one as soon as the next has begun, by the clocks of its zone."""
    values: dict[str, Any] = {"step": Step.DAY, "tz": ZoneInfo("Europe/Berlin")}
    present = present_period(values, NOON)
    assert present == Period(1_729_980_000, 1_730_070_000)
    last = datetime.fromtimestamp(1_730_070_000, UTC) - timedelta(seconds=1)
    assert present_period(values, last) == present
    assert present_period(values, last + timedelta(seconds=1)) != present


@pytest.mark.parametrize("values", [{}, {"step": Step.DAY, "stop": NOON}])
def test_other_answers_do_not(values: dict[str, Any]) -> None:
    assert present_period(values, NOON) is None


def test_a_zone_without_a_step_is_refused() -> None:
    with pytest.raises(BadQuestion, match="give step, too"):
        present_period({"tz": ZoneInfo("UTC")}, NOON)
