"""Who did what a message tells of."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

import fedmsg.meta
import pytest
from hypothesis import given

from statscache.messages import agents, rules
from statscache.messages.message import Message, Naming
from statscache.messages.naming import Meta
from statscache.messages.rule import category_of
from tests.messages.test_rules import json_values, topics
from tests.support.labelled import PACKAGE, Label, labels
from tests.support.messages import example
from tests.support.shared import SHARED

KOJI = {"fedora_messaging_schema": "koji_fedoramessaging.tag.TagV1", "sent-at": "2024-06-20T15:04:24+00:00"}


@pytest.fixture(params=["rules", "Meta"])
def naming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Naming:
    monkeypatch.setattr(fedmsg.meta, "processors", fedmsg.meta.processors)  # which Meta replaces
    return rules if request.param == "rules" else Meta({})


@pytest.fixture
def labelled() -> list[Label]:
    recorded = ("messages", "amqp") if (SHARED / "data").exists() else ()
    sources = (*(["package"] if find_spec(PACKAGE) else []), *recorded)
    if not sources:
        pytest.skip(f"needs {PACKAGE}, or the recorded messages beside a checkout")
    return labels(*sources)


def message(topic: str, msg: Any, **more: Any) -> Message:
    return Message({"topic": f"org.fedoraproject.prod.{topic}", "timestamp": 1, "msg": msg, **more})


def test_agents_are_whom_reading_the_message_tells(
    naming: Naming, labelled: list[Label], capsys: pytest.CaptureFixture[str]
) -> None:
    """At least 95 % of the labelled messages agree, with Fedora's processors and without."""
    wrong = [
        (label, found) for label in labelled if (found := Message(label.body, naming).agent) != label.agent
    ]
    with capsys.disabled():
        agreeing = len(labelled) - len(wrong)
        print(f"\nagents, {type(naming).__name__}: {agreeing} of {len(labelled)} agree: {wrong}")
    assert len(wrong) <= 0.05 * len(labelled)


def test_nobody_who_is_only_mentioned_is_an_agent(naming: Naming, labelled: list[Label]) -> None:
    """Owners, submitters, assignees and authors are not, where the message tells of what others did."""
    mentioned = [label for label in labelled if label.verdict != "did"]
    assert {label.verdict for label in mentioned} == {"mentioned", "nobody"}
    assert [label for label in mentioned if Message(label.body, naming).agent is not None] == []


def test_the_labels_are_of_at_least_200_messages_of_every_category(labelled: list[Label]) -> None:
    """Each has a reason, and is of the topic that it names; whoever did it has a name."""
    everything = labels("package", "messages", "amqp")
    assert len({(label.source, label.place) for label in everything}) == len(everything) >= 200
    assert {label.topic.split(".")[0] for label in everything} == rules.CATEGORIES == set(agents.AGENTS)
    assert all(label.reason and (label.agent is not None) == (label.verdict == "did") for label in everything)
    bodies = [label.body for label in labelled]
    assert {category_of(body) for body in bodies} == rules.CATEGORIES
    assert [body["topic"].split(".", 3)[3] for body in bodies] == [label.topic for label in labelled]


@pytest.mark.parametrize(
    ("topic", "msg", "agent"),
    [
        ("pagure.issue.edit", {"agent": "jane", "issue": {"user": {"name": "joe"}}}, "jane"),
        ("pagure.issue.edit", {"issue": {"user": {"name": "joe"}, "assignee": {"name": "ann"}}}, None),
        ("pagure.git.receive", {"commit": {"agent": "git", "email": "jane@fedoraproject.org"}}, None),
        ("pagure.issue.new", {"agent": "jane@fedoraproject.org"}, "jane"),
        ("pagure.issue.new", {"agent": "http://jane.id.fedoraproject.org/"}, "jane"),
        ("pagure.issue.new", {"agent": "@python"}, None),
        ("pagure.issue.new", {"agent": "@fedoraproject.org"}, None),
        ("pagure.issue.new", {"agent": "a\0b"}, None),
        ("pagure.issue.new", {"agent": "\ud800"}, None),
        ("pagure.issue.new", {"agent": "a" * 2601}, None),
        ("pagure.issue.new", {"agent": ["jane"]}, None),
        ("git.receive", {"commit": {"username": "jane", "name": "Joe", "email": "joe@example.org"}}, "jane"),
        ("git.receive", {"agent": "ann", "commit": {"username": "jane"}}, "ann"),
        ("git.receive", {"commit": {"email": "joe@fedoraproject.org"}}, None),
        ("bodhi.update.edit", {"agent": "jane", "update": {"user": {"name": "joe"}}}, "jane"),
        ("bodhi.update.eject", {"update": {"user": {"name": "joe"}, "submitter": "joe"}}, None),
        ("bodhi.update.comment", {"comment": {"user": {"name": "joe"}, "text": "as @ann said"}}, "joe"),
        ("bodhi.update.comment", {"comment": {"author": "joe", "anonymous": False}}, "joe"),
        ("bodhi.update.comment", {"comment": {"author": "joe@example.org", "anonymous": True}}, None),
        ("bodhi.update.comment", {"agent": "ann", "comment": {"author": "joe"}}, None),
        ("bodhi.buildroot_override.tag", {"override": {"submitter": {"name": "joe"}}}, "joe"),
        ("bodhi.buildroot_override.untag", {"override": {"submitter": {"name": "joe"}}}, None),
        ("buildsys.tag", {"user": "bodhi", "owner": "joe"}, "bodhi"),
        ("buildsys.tag", {"owner": "joe"}, None),
        ("buildsys.build.state.change", {"old": None, "new": 0, "owner": "joe"}, "joe"),
        ("buildsys.build.state.change", {"old": 0, "new": 1, "owner": "joe"}, None),
        ("buildsys.build.state.change", {"old": 0, "new": 4, "owner": "joe"}, None),
        ("buildsys.build.state.change", {"owner": "joe"}, None),
        ("buildsys.build.state.change", {"new": [0], "owner": "joe"}, None),
        ("buildsys.task.state.change", {"new": "FREE", "owner": "joe"}, "joe"),
        ("buildsys.task.state.change", {"new": "CANCELED", "owner": "joe"}, None),
        ("buildsys.package.list.change", {"owner": "joe", "user": "joe"}, None),
        ("copr.build.start", {"user": "joe", "owner": "@group"}, "joe"),
        ("copr.build.start", {"user": None, "owner": "ann"}, None),
        ("copr.build.end", {"user": "joe", "owner": "joe"}, None),
        ("wiki.article.edit", {"agent": "jane", "user": "jane"}, None),
    ],
)  # fmt: skip
def test_each_shape_has_this_agent(naming: Naming, topic: str, msg: Any, agent: str | None) -> None:
    """Who only owns, submitted, wrote or is assigned is none."""
    assert message(topic, msg).agent == agent
    assert Message(message(topic, msg), naming).agent == agent


@given(topics, json_values)
def test_odd_shapes_have_an_account_or_nobody(topic: str, msg: Any) -> None:
    """Whatever lies in msg, an agent is a text that can be a key."""
    found = rules.agent({"topic": topic, "msg": msg})
    assert found is None or agents.usable(found) == found


def test_headers_that_name_users_name_no_agent(naming: Naming) -> None:
    """They do not say which of them did it."""
    headers = {"fedora_messaging_user_ada": True, "sent-at": "2024-06-20T15:04:24+00:00"}
    found = Message({**example(), "msg": {}, "headers": headers}, naming)
    assert (found.usernames, found.agent) == ({"ada"}, None)


@pytest.mark.parametrize(
    ("headers", "agent"),
    [
        (KOJI, "ada"),
        ({"fedora_messaging_schema": "base.message"}, "joe"),
        ({}, "joe"),
        ("fedora_messaging_schema", "joe"),
        (None, "joe"),
    ],
)
def test_an_archive_knows_agents_of_messages_with_a_schema(headers: Any, agent: str) -> None:
    """What it has of others is who sent them."""
    msg = {"user": "joe", "owner": "ann"}
    found = message("buildsys.tag", msg, headers=headers, agent_name="ada", username="ada")
    assert Message(found, Meta({})).agent == agent


@pytest.mark.parametrize("unusable", ["", "@group", "a\0", 7, None, ["ada"]])
def test_what_an_archive_has_instead_of_a_name_is_passed_over(unusable: Any) -> None:
    """The rules have the word then."""
    found = message("buildsys.tag", {"user": "joe"}, headers=KOJI, agent_name=unusable)
    assert Message(found, Meta({})).agent == "joe"
