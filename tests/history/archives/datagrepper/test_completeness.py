"""When a slice is complete: the proof, without the network."""

from __future__ import annotations

from statscache.history.archives.archive import Slice
from statscache.history.archives.datagrepper.completeness import ArchivePage, Ask, Attempt
from tests.support.slices import SPAN, START, row


def test_a_full_page_is_not_believed_without_its_total() -> None:
    """A row that came after the count, and before the rows were read, may have pushed one off a full page."""
    attempt = Attempt(SPAN, rows_per_page=2, most=100)
    two = [row(1, START), row(2, START + 1)]
    assert attempt.take(Ask(1), ArchivePage(2, two)) == [Ask(0)]
    assert attempt.outcome is None
    assert attempt.take(Ask(0), ArchivePage(3, two[:1])) == [Ask(1, 1)]
    assert attempt.take(Ask(1, 1), ArchivePage(3, two)) == [Ask(2, 1)]
    assert attempt.take(Ask(2, 1), ArchivePage(3, [row(3, START + 2)])) == [Ask(0, 1)]
    assert attempt.take(Ask(0, 1), ArchivePage(3, two[:1])) == []
    assert isinstance(attempt.outcome, Slice)
    assert [body["msg_id"] for body in attempt.outcome.bodies] == ["id-1", "id-2", "id-3"]


def test_what_is_not_of_use_any_more_is_not_wanted() -> None:
    """A page of an earlier round, or after the end, does not count for this one."""
    attempt = Attempt(SPAN, rows_per_page=1, most=100)
    assert attempt.take(Ask(1), ArchivePage(3, [row(1, START)])) == [Ask(2), Ask(3)]
    assert attempt.take(Ask(2), ArchivePage(4, [row(2, START)])) == [Ask(1, 1)]
    assert not attempt.wants(Ask(3))
    attempt.fail(ValueError("an end"))
    assert not attempt.wants(Ask(1, 1))


def test_copies_of_a_message_from_two_buses_are_two_rows() -> None:
    """The archive's total counts both, so a slice that has both is complete."""
    attempt = Attempt(SPAN, rows_per_page=1, most=100)
    uuid = "273ed91d-b8b5-487a-9576-95b9fbdf3eec"
    copies = [{**row(1, START), "msg_id": msg_id} for msg_id in (uuid, f"2026-{uuid}")]
    assert attempt.take(Ask(1), ArchivePage(2, copies[:1])) == [Ask(2)]
    assert attempt.take(Ask(2), ArchivePage(2, copies[1:])) == [Ask(0)]
    assert attempt.take(Ask(0), ArchivePage(2, copies[:1])) == []
    assert isinstance(attempt.outcome, Slice)
    assert attempt.outcome.bodies == copies
