"""What is written instead of the names of people who are forgotten."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.messages import rules
from statscache.messages.message import Message
from statscache.messages.pseudonyms import ESCAPE, LETTERS, Pseudonyms, hash_of, words_in
from statscache.messages.renaming import Renaming

KEY = b"k" * 32
NAMES = {"alice": "forgotten-" + "a" * 20, "bob-the.builder": "forgotten-" + "b" * 20, "carol": "caroline"}


def pseudonyms(names: dict[str, str] | None = None) -> Pseudonyms:
    names = NAMES if names is None else names
    made = Pseudonyms()
    words = max(map(words_in, names), default=0)
    made.set(1, KEY, {hash_of(KEY, name): instead for name, instead in names.items()}, words)
    return made


def test_a_name_is_replaced_by_what_stands_for_it() -> None:
    """And any other is not."""
    its = pseudonyms()
    assert [its.of(name) for name in ("alice", "carol", "alicia", "")] == [
        NAMES["alice"],
        "caroline",
        "alicia",
        "",
    ]


def test_nobody_is_forgotten_at_first() -> None:
    """Then texts stay what they are, and no hash is worked out."""
    its = Pseudonyms()
    assert not its
    assert its.number == 0
    assert its.of("alice") == its.throughout("alice") == "alice"


@pytest.mark.parametrize(
    ("text", "replaced"),
    [
        ("org.fedoraproject.prod.fas.alice.new", "org.fedoraproject.prod.fas.{alice}.new"),
        ("mail of alice@example.org, ALICE", "mail of {alice}@example.org, ALICE"),
        ("forks/bob-the.builder/rpms", "forks/{bob-the.builder}/rpms"),
        ("bob-the, bob-the.builders", "bob-the, bob-the.builders"),
        ("fedora_messaging_user_alice", "fedora_messaging_user_{alice}"),
        ("malice alices alicé éalice", "malice alices alicé éalice"),
        (r"'said\nalice'", r"'said\n{alice}'"),
        ("alice,carol,alice", "{alice},{carol},{alice}"),
    ],
)
def test_a_name_is_replaced_where_it_is_a_word_of_a_text(text: str, replaced: str) -> None:
    """Between characters that are neither letters nor digits."""
    for name, instead in NAMES.items():
        replaced = replaced.replace(f"{{{name}}}", instead)
    assert pseudonyms().throughout(text) == pseudonyms().within(text) == replaced


def test_what_is_called_as_somebody_is_stays() -> None:
    """A package named alice is no part of a text, but all of it."""
    assert pseudonyms().within("alice") == "alice"
    assert pseudonyms().throughout("alice") == NAMES["alice"]


def test_documents_have_no_name_left() -> None:
    """Neither in a key nor in a value, however deep; one without any stays as it was written."""
    its = pseudonyms()
    document = {"user_alice": True, "a": [{"owner": "alice"}, 1, None, "to alice\nalice"]}
    found = json.loads(its.in_document(json.dumps(document)))
    token = NAMES["alice"]
    assert found == {f"user_{token}": True, "a": [{"owner": token}, 1, None, f"to {token}\n{token}"]}
    assert its.in_document('{"b" :  1}') == '{"b" :  1}'


@given(st.text(st.sampled_from("ab.-_é1 "), max_size=12), st.text(st.sampled_from("ab.-_é1 "), max_size=20))
def test_words_are_those_of_a_regular_expression(name: str, text: str) -> None:
    """The one that PostgreSQL is asked with."""
    letters = LETTERS.replace("\\u00", "\\x")
    boundary = f"((?<!{letters})|(?<={ESCAPE})){re.escape(name)}(?!{letters})"
    expected = re.sub(boundary, "!", text) if words_in(name) else text
    its = pseudonyms({name: "!"})
    assert its.within(text) == (text if text == name else expected)


def test_messages_name_nobody_who_is_forgotten() -> None:
    """Neither as a user nor as the agent, nor by their id; the body is what came."""
    its = Renaming(rules, pseudonyms())
    body: dict[str, Any] = {
        "topic": "org.fedoraproject.prod.pagure.issue.new",
        "timestamp": 1,
        "msg_id": "2024-alice-1",
        "msg": {"agent": "alice", "issue": {"user": {"name": "alice"}}},
        "headers": {"fedora_messaging_user_alice": True, "fedora_messaging_user_dave": True},
    }
    message = Message(body, its)
    assert message.agent == NAMES["alice"]
    assert message.usernames == {NAMES["alice"], "dave"}
    assert message.id == message.msg_id == f"2024-{NAMES['alice']}-1"
    assert message["msg"]["agent"] == "alice"
