"""Only some topics of a datagrepper."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper import topics as module
from statscache.history.archives.datagrepper.slices import DOUBTS, Datagrepper
from statscache.history.archives.datagrepper.topics import grouped
from statscache.history.topics import Topics
from statscache.span import Span
from tests.support.pages import Pages, Query, Reply
from tests.support.slices import SPAN, START, assert_contiguous, fetches, holes, ids, row, rows

TOPICS = [
    f"org.test.prod.{name}"
    for name in ("rare", "wiki.edit", "wiki.new", "git&é", "b", "c", "d", "e", "f", "g")
]
RARE = Topics(frozenset([re.compile("rare$")]))
WIKI = Topics(frozenset([re.compile(r"\.wiki\."), re.compile("é")]))
NOBODY = Topics(frozenset([re.compile("nobody sends this")]))


@pytest.fixture
def pages(pages: Pages) -> Pages:
    """The server has a thousand rows of all topics, and lists them."""
    pages.rows = [{**each, "topic": TOPICS[n % len(TOPICS)]} for n, each in enumerate(rows(1000))]
    pages.topics = [*TOPICS, TOPICS[0], "org.test.prod.long.ago"]
    return pages


def wanted(pages: Pages, topics: Topics) -> list[str]:
    """Return the ids of the rows that are wanted."""
    return [each["msg_id"] for each in pages.rows if topics.among([each["topic"]])]


def found(parts: list[Any], topics: Topics) -> list[str]:
    """Return the ids of the rows that came and are wanted, of parts that must be the span."""
    assert holes(parts) == []
    assert_contiguous(parts, SPAN)
    bodies = [body for part in parts for body in part.bodies if topics.among([body["topic"]])]
    return ids([Slice(SPAN, bodies)])


@pytest.mark.parametrize("topics", [RARE, WIKI, NOBODY], ids=["one", "several", "none"])
def test_just_the_rows_come_whose_topics_are_wanted(
    topics: Topics, pages: Pages, archive: Datagrepper
) -> None:
    """All of them, in parts that together are the span, and all is proven by the totals of all topics."""
    parts = list(archive.slices(SPAN, topics))
    assert found(parts, topics) == ids(parts) == wanted(pages, topics)
    assert any("topic" not in query for query in fetches(pages)), "the total of all is asked for"


def test_little_is_asked_for(pages: Pages, archive: Datagrepper) -> None:
    """A tenth of the rows takes far fewer requests than all of them."""
    list(archive.slices(SPAN))
    everything = len(fetches(pages))
    pages.queries.clear()
    list(archive.slices(SPAN, RARE))
    assert len(fetches(pages)) < everything / 3


def test_a_topic_that_is_not_listed_is_not_lost(pages: Pages, archive: Datagrepper) -> None:
    """The list may be hours old. A time that has more rows than those of its topics is read whole."""
    pages.rows += [
        {**row(5000 + n, START + 50 + n / 10), "topic": "org.test.wiki.brand.new"} for n in range(3)
    ]
    parts = list(archive.slices(SPAN, WIKI))
    assert found(parts, WIKI) == wanted(pages, WIKI)
    assert len(ids(parts)) < len(pages.rows), "only that part is read whole"


def test_after_many_doubts_all_is_asked_for(pages: Pages, archive: Datagrepper) -> None:
    """A list that lacks what is sent all the time spares nothing."""
    assert pages.topics is not None
    pages.topics.remove("org.test.prod.b")
    parts = list(archive.slices(SPAN, WIKI))
    assert found(parts, WIKI) == wanted(pages, WIKI)
    assert len({query["start"] for query in fetches(pages) if "topic" in query}) <= DOUBTS + 1


@pytest.mark.parametrize("answer", [None, {"topics": []}, [1], []], ids=["none", "other", "numbers", "empty"])
def test_all_come_where_topics_are_not_listed(answer: Any, pages: Pages, archive: Datagrepper) -> None:
    """What an archive has under /topics may be anything."""
    pages.topics = answer
    parts = list(archive.slices(SPAN, RARE))
    assert len(ids(parts)) == len(pages.rows)
    assert archive.shares(SPAN, [RARE, WIKI]) == [1.0, 1.0]
    assert not any("topic" in query for query in fetches(pages))


def test_all_come_where_too_many_topics_are_wanted(
    pages: Pages, archive: Datagrepper, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They must fit into a query; the list of all need not, which is asked for in parts."""
    monkeypatch.setattr(module, "LONGEST", 60)
    assert archive.shares(SPAN, [WIKI])[0] == 1.0
    assert len(ids(list(archive.slices(SPAN, WIKI)))) == len(pages.rows)
    parts = list(archive.slices(SPAN, RARE))
    assert found(parts, RARE) == ids(parts) == wanted(pages, RARE)


@pytest.mark.parametrize(
    "topics",
    [lambda its: its[:1], lambda its: its[-1:], lambda its: [], lambda its: TOPICS],
    ids=["the first", "the last", "none", "all"],
)
def test_a_server_that_reads_queries_otherwise_loses_nothing(
    topics: Any, pages: Pages, archive: Datagrepper
) -> None:
    """Whether it heeds the first or the last of several topics, or none, or gives all."""

    def otherwise(query: Query, times: int) -> Reply | None:
        if "topic" not in query:
            return None
        its = topics(query["topic"].split("\n"))
        return Reply(body=json.dumps(pages.page({**query, "topic": "\n".join(its)})).encode())

    pages.trouble = otherwise
    assert found(list(archive.slices(SPAN, WIKI)), WIKI) == wanted(pages, WIKI)


def test_rows_that_come_meanwhile_disturb_nothing(pages: Pages, archive: Datagrepper) -> None:
    """All rows come that were there before, whatever topics the later ones have."""
    before = {topics: wanted(pages, topics) for topics in (RARE, WIKI)}
    for number, (topics, there) in enumerate(before.items()):
        pages.late = [
            {**row(7000 + 100 * number + n, START + n % 100), "topic": f"new.wiki.{n}"} for n in range(60)
        ]
        assert set(there) <= set(found(list(archive.slices(SPAN, topics)), topics))


def test_shares_are_of_requests(pages: Pages, archive: Datagrepper) -> None:
    """The proof takes some, too; and a time of one slice is asked for as a whole."""
    rare, wiki, nobody = archive.shares(SPAN, [RARE, WIKI, NOBODY])
    assert 0 < nobody < 0.05
    assert rare == pytest.approx(0.1 + nobody, abs=0.01)
    assert wiki == pytest.approx(0.3 + nobody, abs=0.01)
    assert archive.shares(Span(START, START + 5), [RARE]) == [1.0]


def test_groups_have_all_topics() -> None:
    """Each fits into a query, and each topic is in one."""
    topics = [f"org.fedoraproject.prod.{'é' * (n % 50)}.{n}" for n in range(2000)]
    groups = grouped(topics)
    assert [topic for group in groups for topic in group] == topics
    assert all(len(group) > 5 for group in groups[:-1])
    assert grouped([]) == []
    assert grouped(["x" * 5000]) == [("x" * 5000,)]
