"""The made-up year is the same whenever it is made, and has what it says."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

from benchmarks.year import BUILD, CATEGORIES, PEOPLE, PROJECTS, START, STOP, AsMade, Year
from benchmarks.year_counts import Counts
from statscache.messages.message import Message

YEAR = Year(5_000)


def test_it_is_the_same_again_and_comes_newest_first() -> None:
    """Each slice has the messages of its time, in order, and the slices make up the year."""
    slices = list(YEAR.slices())
    assert slices == list(Year(5_000).slices())
    spans = [span for span, _ in slices]
    assert spans[0].stop == STOP
    assert spans[-1].start == START
    assert all(newer.start == older.stop for newer, older in pairwise(spans))
    for span, bodies in slices:
        times = [body["timestamp"] for body in bodies]
        assert times == sorted(times)
        assert all(int(when) in span for when in times)


def test_it_has_people_projects_categories_and_builds() -> None:
    """A few do most, ids are unique, and a build has one end, and one begin unless that was before the year."""
    bodies = [body for _, bodies in YEAR.slices() for body in bodies]
    assert len({body["msg_id"] for body in bodies}) == len(bodies)
    assert (len(PEOPLE), len(PROJECTS), len(CATEGORIES)) == (5000, 400, 25)
    assert {Message(body, AsMade()).category for body in bodies} == {*CATEGORIES}
    agents = Counter(body["msg"]["agent"] for body in bodies if "agent" in body["msg"])
    assert sum(count for _, count in agents.most_common(50)) > 0.2 * agents.total()
    builds = Counter(
        (body["msg"]["build_id"], body["msg"]["old"]) for body in bodies if body["topic"] == BUILD
    )
    ends, begins = ({build for build, old in builds if (old is None) is begin} for begin in (False, True))
    assert max(builds.values()) == 1
    assert begins <= ends
    assert len(ends) - len(begins) < 10


def test_what_quarters_have_adds_up() -> None:
    """Who is active is new, was there in the quarter before, or is back."""
    counts = Counts()
    for _, bodies in YEAR.slices():
        counts.add(bodies)
    for _, active, *parts in counts.activity():
        assert active == sum(parts)
    assert [row[1] for row in counts.activity()] == [
        sum(count for _, quarter, count in counts.cohorts() if quarter == start)
        for start, *_ in counts.activity()
    ]
