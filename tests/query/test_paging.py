"""Pages of an answer, and the links between them, against the table itself."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.categories import PATH, START, Made


@pytest.mark.parametrize("size", [1, 7, 99, 100])
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_following_the_links_gives_the_table(size: int, order: str, made: Made) -> None:
    """Every row comes once, in order, on pages of the size that was asked for; and the same way back."""
    rows = made.rows if order == "desc" else made.rows[::-1]
    rows = rows if size > 1 else rows[:60]
    limit = {"limit": 60} if size == 1 else {}
    query = {"rows_per_page": size, "order": order, **limit}
    pages = made.web.pages(PATH, query)
    assert [len(page) for page in pages[:-1]] == [size] * (len(pages) - 1)
    assert made.all(**query) == rows
    reply = made.web.get(PATH, query)
    while "next" in reply.links:
        reply = made.web.get(reply.links["next"])
    back = [reply.json]
    while "previous" in reply.links:
        reply = made.web.get(reply.links["previous"])
        back.append(reply.json)
    assert back[::-1] == pages


def test_a_page_has_100_rows_unless_asked_for_less(made: Made) -> None:
    """The default is also the most."""
    assert made.page() == made.rows[:100]


def test_pages_by_number_agree_with_the_links(made: Made) -> None:
    """page is an offset, its headers say where it stands, and its links lead on by cursor."""
    pages = made.web.pages(PATH)
    for number, page in enumerate(pages, 1):
        reply = made.web.get(PATH, {"page": number})
        assert reply.json == page
        assert reply.headers["X-Link-Number"] == str(number)
        assert reply.headers["X-Link-Count"] == str(len(pages))
        assert ("next" in reply.links) == (number < len(pages))
        assert ("previous" in reply.links) == (number > 1)
        assert all("cursor=" in link and "page=" not in link for link in reply.links.values())
    reply = made.web.get(PATH, {"page": 2})
    assert made.web.rows(reply.links["next"]) == pages[2]
    assert made.web.rows(reply.links["previous"]) == pages[0]


def test_only_numbered_pages_are_counted(made: Made) -> None:
    """Counting takes time, so it is done where it is asked for; and no further than pages can be asked for."""
    assert made.web.get(PATH).headers["X-Link-Count"] is None
    assert made.web.get(PATH, {"page": 1, "rows_per_page": 1}).headers["X-Link-Count"] == "100"
    assert made.web.get(PATH, {"page": 1, "limit": 250}).headers["X-Link-Count"] == "3"
    assert made.web.get(PATH, {"page": 1, "category": "none"}).headers["X-Link-Count"] == "1"


def test_past_page_100_the_links_are_to_be_followed(made: Made) -> None:
    """Page 100 has a next page, and asking for 101 by its number says how to get there."""
    reply = made.web.get(PATH, {"page": 100, "rows_per_page": 2})
    assert made.web.get(reply.links["next"]).status == 200
    refused = made.web.get(PATH, {"page": 101, "rows_per_page": 2})
    assert refused.status == 400
    assert "page" in refused.error
    assert "Link" in refused.error


def test_links_carry_all_other_parameters(made: Made) -> None:
    """What was asked of a page is asked of the next, JSON-P included; what jQuery adds is not."""
    query = [
        ("category", "bodhi"),
        ("category", "ÿ ü"),
        ("start", START),
        ("order", "asc"),
        ("rows_per_page", 3),
    ]
    reply = made.web.get(PATH, [*query, ("callback", "f"), ("_", "1")], Accept="*/*")
    link = reply.links["next"]
    assert "_=1" not in link
    for part in (
        "category=bodhi",
        "category=%C3%BF+%C3%BC",
        f"start={START}",
        "rows_per_page=3",
        "callback=f",
    ):
        assert part in link
    assert made.web.get(link, Accept="*/*").body.startswith(b"f([{")


@pytest.mark.parametrize(
    "query", [{"group": "category"}, {"top": 10_000}, {"group": "timestamp", "top": 10_000}]
)
@pytest.mark.parametrize("order", ["desc", "asc"])
def test_sums_have_pages_too(query: dict[str, Any], order: str, made: Made) -> None:
    """Small pages together are the same as large ones, in both orders and both directions."""
    query = {**query, "order": order}
    whole = [row for page in made.web.pages(PATH, query) for row in page]
    volumes = [row["volume"] for row in whole]
    assert volumes == sorted(volumes, reverse=order == "desc")
    size = 3 if len(whole) < 10 else 97
    pages = made.web.pages(PATH, {**query, "rows_per_page": size})
    assert [row for page in pages for row in page] == whole
    reply = made.web.get(PATH, {**query, "rows_per_page": size})
    second = made.web.get(reply.links["next"])
    assert made.web.rows(second.links["previous"]) == pages[0]
