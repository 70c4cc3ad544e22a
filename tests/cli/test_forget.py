"""`statscache forget` forgets people, or gives them another name."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.commands import told
from tests.support.place import Place, lines, rows

pytestmark = pytest.mark.slow
NOWHERE = {"removed": [], "uncounted": [], "waiting": [], "elsewhere": []}


def deed(number: int, who: str) -> dict[str, Any]:
    return {
        "topic": "io.pagure.prod.pagure.issue.comment.added",
        "msg_id": f"2024-{number}",
        "timestamp": 1_700_000_000 + number,
        "msg": {"agent": who, "issue": {"user": {"name": who}}},
    }


@pytest.fixture
def place(there: Place) -> Place:
    """A place whose database has counted what two people did."""
    file = there.write(
        "deeds.jsonl", lines(*(deed(number, ("alice", "bob")[number % 2]) for number in range(10)))
    )
    there.answer("replay", file)
    return there


def people(place: Place) -> list[str]:
    return sorted({row["agent"] for row in told(place, "show", "contributions-by-agent-and-category-1d")})


def test_a_look_tells_what_would_be_rewritten(place: Place) -> None:
    """And changes nothing."""
    shown = place.answer("forget", "alice", "--dry-run")
    assert rows(shown)[0] == ["table", "column", "rows"]
    assert ["data_newcomer", "agent", "1"] in rows(shown)
    assert shown.rstrip().endswith("rows would be rewritten")
    assert told(place, "forget", "alice", "--dry-run")["changed"] is False
    assert people(place) == ["alice", "bob"]


def test_somebody_is_forgotten(place: Place) -> None:
    """Also in what is replayed later, and as people read it."""
    receipt = told(place, "forget", "alice")
    assert receipt["rows"]["data_newcomer.agent"] == 1
    assert (receipt["left"], receipt["spools"]) == ([], NOWHERE)
    place.answer("replay", place.write("more.jsonl", lines(deed(10, "alice"), deed(11, "carol"))))
    token, *others = sorted(people(place), key=lambda name: not name.startswith("forgotten-"))
    assert others == ["bob", "carol"]
    assert "(forgotten)" in place.answer("show", "newcomers")
    assert token not in place.answer("show", "newcomers")
    assert told(place, "forget", "alice", "bob")["rows"].keys() == receipt["rows"].keys()


def test_people_are_forgotten_by_a_list(place: Place) -> None:
    """With a name a line; what is empty or a remark is none."""
    receipt = told(place, "forget", "--from", place.write("list", "# who asked\nalice\n\nbob\n"))
    assert receipt["rows"]["data_newcomer.agent"] == 2
    assert {name.partition("-")[0] for name in people(place)} == {"forgotten"}
    assert len(people(place)) == 2


def test_somebody_gets_another_name(place: Place) -> None:
    """Under which the rows of both are one."""
    told(place, "forget", "--rename", "alice", "bob")
    assert people(place) == ["bob"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "name whom to forget"),
        (("alice", "--rename", "alice", "bob"), "name whom to forget"),
        (("packit",), "packit is a bot"),
        (("--rename", "bob", "bob"), "has that name already"),
    ],
)
def test_what_is_not_to_be_done_is_said(place: Place, arguments: tuple[str, ...], said: str) -> None:
    """In one line."""
    code, _, errors = place.run("forget", *arguments)
    assert code == 2
    assert said in errors
    assert len(errors.splitlines()) == 1


def test_without_tables_there_is_nobody_to_forget(there: Place) -> None:
    """The line says what to do."""
    code, _, errors = there.run("forget", "alice")
    assert (code, errors.count("\n")) == (2, 1)
    assert "start the daemon of this version once" in errors
