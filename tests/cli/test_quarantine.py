"""`statscache quarantine` lists, shows, retries and drops."""

from __future__ import annotations

import json

import pytest

from tests.support.commands import body
from tests.support.place import Place, lines, rows

NUL = {
    "topic": "io.pagure.prod.pagure.issue.new",
    "msg": {"agent": "a\0b", "project": {"name": "\ud800"}},
    "msg_id": "2023-nul",
    "timestamp": 1_700_000_000,
}
#: Leaves out the other plugins that cannot store it.
WITHOUT_COARSE = {"statscache.plugins.disabled": ["volume_by_user_coarse"]}
BY_USER, BY_PROJECT = "pagure-contributions-by-user-1d", "pagure-contributions-by-project-1d"


@pytest.mark.slow
def test_the_quarantine_is_listed_shown_retried_and_dropped(there: Place) -> None:
    """A message that two plugins cannot store is kept for both until it is dropped, and counts for all others."""
    there.configure(WITHOUT_COARSE)
    there.write("messages.jsonl", lines(NUL, body(1)))
    assert there.answer("replay", "messages.jsonl").startswith("2 messages counted, 0 known already")
    listed = rows(there.answer("quarantine", "list"))
    assert [row[:2] for row in listed[1:]] == [[BY_PROJECT, "2023-nul"], [BY_USER, "2023-nul"]]
    assert len(rows(there.answer("quarantine", "list", "--plugin", BY_USER))) == 2
    shown = there.answer("quarantine", "show", "2023-nul")
    assert json.loads(shown.splitlines()[-1]) == NUL
    assert "lone surrogate" in shown
    assert there.answer("quarantine", "retry", "--all") == "0 of 2 messages counted\n"
    assert there.answer("quarantine", "drop", "--plugin", BY_USER) == "1 message dropped\n"
    assert there.answer("quarantine", "drop", "2023-nul") == "1 message dropped\n"
    assert len(rows(there.answer("quarantine", "list"))) == 1
    assert there.answer("replay", "messages.jsonl").startswith("0 messages counted, 2 known already")


@pytest.mark.slow
def test_a_message_is_found_by_its_id_on_either_bus(there: Place) -> None:
    """With the year that fedmsg puts before a UUID, and without it."""
    uuid = "273ed91d-b8b5-487a-9576-95b9fbdf3eec"
    there.configure(WITHOUT_COARSE)
    there.write("messages.jsonl", lines({**NUL, "msg_id": f"2026-{uuid}"}))
    assert there.answer("replay", "messages.jsonl").startswith("1 message counted")
    for msg_id in (uuid, f"2026-{uuid}"):
        assert [row[1] for row in rows(there.answer("quarantine", "list", msg_id))[1:]] == [uuid, uuid]
        shown = there.answer("quarantine", "show", msg_id).splitlines()[-1]
        assert json.loads(shown)["msg_id"] == f"2026-{uuid}"
    assert there.answer("quarantine", "retry", f"2026-{uuid}") == "0 of 2 messages counted\n"
    assert there.answer("quarantine", "drop", "--plugin", BY_USER, f"2026-{uuid}") == "1 message dropped\n"
    assert there.answer("quarantine", "drop", uuid) == "1 message dropped\n"
