"""The references of kinds other than counts agree with people, and with the reference of the tables of counts."""

from __future__ import annotations

import pytest

from tests.support.agents import agent
from tests.support.all_kinds import CONTRIBUTIONS, NEWCOMERS, AllKinds, without_pruned
from tests.support.labelled import labels
from tests.support.reference import Body

FEDORA = "org.fedoraproject.prod."


def test_the_agents_are_whom_people_have_found() -> None:
    """Of every labelled message, also of those that only mention somebody."""
    pytest.importorskip("fedmsg_meta_fedora_infrastructure")
    labelled = labels("package", "messages", "amqp")
    wrong = [label for label in labelled if agent(label.body) != label.agent]
    assert (len(labelled) > 200, wrong) == (True, [])


def messages(*said: tuple[str, int, str, Body]) -> list[tuple[str, Body]]:
    """Return messages of an id, a second, the end of a topic and a content each."""
    return [
        (id, {"topic": FEDORA + topic, "timestamp": second, "msg": msg}) for id, second, topic, msg in said
    ]


def all_kinds(give_up: int) -> AllKinds:
    return AllKinds(lambda body: (), lambda body: (), give_up={"data_copr_build_1h": give_up})


def test_what_people_do_is_counted_by_hand() -> None:
    """Nobody's deeds are not, nor is one whose message a plugin could not take."""
    sent = messages(
        ("a", 7199, "copr.build.start", {"user": "ada"}),
        ("b", 7200, "copr.build.start", {"user": "ada"}),
        ("c", 3600, "bodhi.update.edit", {"agent": "ada"}),
        ("d", 7200, "copr.build.end", {"user": "ada"}),
        ("e", 9000, "copr.build.start", {"user": "ada"}),
    )
    found = all_kinds(60).tables(sent, lambda place, id: (place, id) != (NEWCOMERS, "e"))
    hours, days = (found[table] for table in CONTRIBUTIONS)
    assert hours == {(3600, "ada", "copr"): 1, (7200, "ada", "copr"): 2, (3600, "ada", "bodhi"): 1}
    assert days == {(0, "ada", "copr"): 3, (0, "ada", "bodhi"): 1}
    assert found[NEWCOMERS] == {("ada", "copr"): (7199, 7200), ("ada", "bodhi"): (3600, 3600)}


def test_lengths_and_events_are_worked_out_by_hand() -> None:
    """An end within the time, one just after it, and one that comes in the same second as its begin."""
    build = {"build": 1, "chroot": "x", "status": 1}
    sent = messages(
        ("a", 7000, "copr.build.start", build),
        ("b", 7060, "copr.build.end", build),
        ("c", 7100, "copr.chroot.start", build),
        ("d", 7161, "copr.build.end", build),
        ("z", 7300, "copr.build.start", build),
        ("e", 7300, "copr.build.end", build),
        ("f", 7300, "copr.build.end", {**build, "chroot": "x\0"}),
    )
    reference = all_kinds(60)
    found = reference.tables(sent)
    row = 3600, "x", "succeeded"
    assert found["data_copr_build_1h"] == {(*row, -1): (1, 0), (*row, 229): (1, 60)} | {
        (7200, "x", "succeeded", 0): (1, 0)
    }
    assert len(found["data_copr_build_1h_event"]) == 6
    assert found["data_copr_build_1h_event"]["1 x", 7060, True, "b"] == ("x", "succeeded")
    assert found["data_copr_build_1h_event"]["1 x", 7000, False, "a"] == ("x", None)
    assert ("data_copr_build_1h", "f") in reference.broken


def test_only_events_of_pruned_seconds_may_be_missing() -> None:
    """Those that are there are compared all the same."""
    table = "data_copr_build_1h_event"
    events = {("x", second, False, "m"): ("x", None) for second in range(4)}
    found = {table: {("x", 1, False, "m"): ("y", None)}}
    left = without_pruned({table: events}, found, [(table, range(3))])
    assert [second for _, second, _, _ in left[table]] == [1, 3]
