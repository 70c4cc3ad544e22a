"""Whom a message names in its headers."""

from __future__ import annotations

from typing import Any

import fedmsg.meta
import pytest
from hypothesis import given

from statscache.messages import headers, rules
from statscache.messages.delivery import body_of
from statscache.messages.message import Message
from statscache.messages.naming import Meta
from tests.support.messages import json_values
from tests.support.shared import SHARED, read_lines

AMQP = SHARED / "data" / "amqp.jsonl"
KOJI = {
    "fedora_messaging_rpm_python-specfile": True,
    "fedora_messaging_schema": "koji_fedoramessaging.tag.TagV1",
    "fedora_messaging_severity": 10,
    "fedora_messaging_user_nforro": True,
    "priority": 2,
    "sent-at": "2024-06-20T15:04:24+00:00",
}
TAG = "org.fedoraproject.prod.buildsys.tag"


@pytest.fixture(params=["rules", "Meta"])
def naming(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(fedmsg.meta, "processors", fedmsg.meta.processors)  # which Meta replaces
    return rules if request.param == "rules" else Meta({})


def message(headers: Any, naming: Any = rules, topic: str = TAG, msg: Any = None) -> Message:
    return Message({"topic": topic, "timestamp": 1, "msg": msg or {}, "headers": headers}, naming)


def test_headers_name_users_and_packages_of_whatever_topic(naming: Any) -> None:
    """No processor and no rule needs to know the message."""
    found = message(KOJI, naming, "org.example.new.thing")
    assert (found.usernames, found.packages) == ({"nforro"}, {"python-specfile"})


def test_headers_have_the_word_before_processors_and_rules(naming: Any) -> None:
    """Whoever sent the message knows best."""
    found = message(KOJI, naming, msg={"owner": "joe", "user": "jane", "name": "bash"})
    assert (found.usernames, found.packages) == ({"nforro"}, {"python-specfile"})


@pytest.mark.parametrize("schema", ["koji_fedoramessaging.tag.TagV1", "base.message"])
def test_users_and_packages_are_looked_for_apart(naming: Any, schema: str) -> None:
    """Headers that name users leave the packages to those who name them in the copy on fedmsg, and vice versa."""
    msg = {"owner": "joe", "user": "jane", "name": "bash"}
    given = {"fedora_messaging_schema": schema}
    users = message({**given, "fedora_messaging_user_ada": True}, naming, msg=msg)
    assert (users.usernames, users.packages) == ({"ada"}, {"bash"})
    packages = message({**given, "fedora_messaging_rpm_vim": True}, naming, msg=msg)
    assert (packages.usernames, packages.packages) == ({"joe", "jane"}, {"vim"})


@pytest.mark.parametrize("headers", [None, {}, {"fedora_messaging_schema": "base.message", "sent-at": "x"}])
def test_both_copies_of_a_message_of_fedmsg_name_the_same(naming: Any, headers: Any) -> None:
    """The bridge gives its copy the schema that names nobody."""
    found = message(headers, naming, msg={"owner": "joe", "user": "jane", "name": "bash"})
    assert (found.usernames, found.packages) == ({"joe", "jane"}, {"bash"})


@pytest.mark.parametrize(
    "headers",
    [
        {"fedora_messaging_user_": True},
        {
            "fedora_messaging_user_ada": False,
            "fedora_messaging_user_joe": 1,
            "fedora_messaging_user_jim": "yes",
        },
        {"Fedora_messaging_user_ada": True, "x_fedora_messaging_user_ada": True},
        {"fedora_messaging_group_ada": True},
        ["fedora_messaging_user_ada"],
        "fedora_messaging_user_ada",
        7,
    ],
)
def test_only_what_is_true_and_not_empty_is_a_name(headers: Any) -> None:
    """Headers of another shape name nobody."""
    found = message(headers, topic="org.example.new.thing")
    assert found.usernames == found.packages == frozenset()


def test_a_name_is_all_that_follows() -> None:
    """Names may have anything in them that a header's name may have."""
    names = {"a_b", "joe@example.org", "ü", "packagerbot/os-master02", "user_x"}
    found = message({f"fedora_messaging_user_{name}": True for name in names})
    assert found.usernames == names


@given(json_values, json_values)
def test_any_headers_are_read(value: Any, schema: Any) -> None:
    """Messages of fedmsg may have anything at all under that name."""
    given_headers = {"fedora_messaging_schema": schema, "fedora_messaging_user_ada": value}
    assert message(given_headers).usernames == ({"ada"} if value is True else frozenset())
    assert headers.schema_of(message(given_headers)) in (schema, None)
    assert message(value).packages == frozenset()
    assert headers.schema_of(message(value)) is None


@pytest.mark.skipif(not AMQP.exists(), reason="the real messages lie beside a checkout only")
def test_real_headers_name_whom_their_publishers_say() -> None:
    """As the headers of the messages that were recorded have it."""
    recorded = [
        line["message"] for line in read_lines(AMQP) if "sent-at" in line["message"].get("headers", {})
    ]
    bodies = [body_of(each["topic"], each["id"], each["headers"], b"{}") for each in recorded]
    users = [set(headers.usernames(body)) for body in bodies]
    packages = [set(headers.packages(body)) for body in bodies]
    assert [names for names in users if names] == [{"cathay4t"}, {"releng"}, {"mmassari"}, {"nforro"}]
    assert [names for names in packages if names] == [
        {"Fedora-Python-Classroom-Vagrant"},
        {"rubygem-haml"},
        {"python-specfile"},
    ]
