"""The parts of a chart."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.query.errors import BadQuestion
from statscache.query.periods import Step, periods
from statscache.render.axis import MOST_NAMES, NARROW, names
from statscache.render.badge import badge
from statscache.render.files import harmless
from statscache.render.language import language
from statscache.render.runs import runs_of, stretches
from statscache.render.scale import scale_for
from statscache.render.svg import UNSHOWN, shown, tag, words

VALUES = st.lists(st.one_of(st.none(), st.integers(0, 9)), min_size=1, max_size=12)


@given(st.lists(st.integers(0, 10**15), max_size=9), st.booleans())
def test_a_scale_has_room_for_all_and_few_round_ticks(values: list[int], log: bool) -> None:
    scale = scale_for(values, log)
    assert all(0 <= scale.share(value) <= 1 + 1e-9 for value in values)
    assert 2 <= len(scale.ticks) <= 8
    assert list(scale.ticks) == sorted(set(scale.ticks))
    shares = [scale.share(value) for value in sorted(values)]
    assert shares == sorted(shares)
    assert scale.share(0) == 0


def test_a_scale_of_shares_has_ticks_in_between() -> None:
    assert scale_for([0.4], whole=False).ticks == pytest.approx((0, 0.1, 0.2, 0.3, 0.4))
    assert scale_for([3]).ticks == (0, 1, 2, 3)
    assert scale_for([5], log=True).ticks == (0, 1, 10)


@given(VALUES, st.data())
def test_a_line_is_whole_only_where_it_is_sure(values: list[int | None], data: st.DataObject) -> None:
    complete = [data.draw(st.booleans()) for _ in values]
    runs = runs_of(values, complete)
    sure = {place for run in runs.sure for place in run} | set(runs.alone)
    assert sure == {place for place, value in enumerate(values) if value is not None and complete[place]}
    doubted = {place for run in runs.unsure for place in run if not complete[place]}
    assert doubted == {place for place, value in enumerate(values) if value and not complete[place]}
    assert set(runs.unknown) == {
        place for place, value in enumerate(values) if value == 0 and not complete[place]
    }
    for run in (*runs.sure, *runs.unsure):
        assert list(run) == list(range(run[0], run[-1] + 1))


@given(st.lists(st.sampled_from([None, "a", "b"]), max_size=12))
def test_stretches_are_those_of_equal_marks(marks: list[str | None]) -> None:
    drawn: list[object] = [None] * len(marks)
    for start, stop, mark in stretches(marks):
        drawn[start:stop] = [mark] * (stop - start)
    assert drawn == marks


@given(
    st.integers(86_400, 2_000_000_000),
    st.floats(60, 40 * 365 * 86_400),
    st.sampled_from(Step),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns"]),
    st.sampled_from(["en", "de"]),
)
def test_an_axis_names_few_periods_and_none_twice(
    second: int, length: float, step: Step, zone: str, code: str
) -> None:
    start = datetime.fromtimestamp(second, UTC)
    try:
        its = periods(start, start + timedelta(seconds=length), step, ZoneInfo(zone), 2000)
    except BadQuestion:
        return
    found = names(its, step, ZoneInfo(zone), language(code))
    assert 1 <= len(found) <= MOST_NAMES
    assert len({name.place for name in found}) == len(found)
    assert all(name.text for name in found)
    major = [name.place for name in found if not name.minor]
    assert major[0] == found[0].place
    assert all(after - before >= NARROW * len(its) for before, after in pairwise(major))


@given(st.text())
def test_any_text_can_stand_in_a_drawing(text: str) -> None:
    drawn = tag("svg", tag("title", words(text)), aria_label=shown(text))
    element = ET.fromstring(drawn)
    assert len(shown(text)) <= 60
    assert not UNSHOWN.search(drawn.replace("\ufffd", ""))
    assert element[0].text is None or "<" not in drawn.split("<title>")[1].split("</title>")[0]
    ET.fromstring(badge(text, text, False))


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    assert harmless(text) == f"'{text}"
    assert harmless("bodhi-2.1") == "bodhi-2.1"
