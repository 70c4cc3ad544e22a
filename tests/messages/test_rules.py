"""The rules of statscache for who and what a message names."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.messages import rules
from statscache.messages.rule import category_of
from tests.support.shared import SHARED

DATA = SHARED / "data" / "messages.jsonl"
AB = {"a", "b"}
READERS = {"usernames": rules.usernames, "packages": rules.packages}
WORDS = ("receive", "branch", "update", "comment", "request", "tag", "build", "state", "change", "git", "rpm")
KEYS = (
    *("agent", "owner", "user", "name", "commit", "repo", "namespace", "info", "rpm", "branchedPackages"),
    *("update", "title", "builds", "nvr", "comment", "text", "override", "submitter", "stack", "packages"),
)

topics = st.builds(
    lambda category, words: ".".join(["org.fedoraproject.prod", category, *words]),
    st.sampled_from(sorted(rules.CATEGORIES)),
    st.lists(st.sampled_from(WORDS) | st.text(max_size=8), max_size=4),
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(KEYS) | st.text(), inner),
    max_leaves=20,
)


def message(subtopic: str, msg: Any) -> dict[str, Any]:
    return {"topic": f"org.fedoraproject.prod.{subtopic}", "msg": msg}


@pytest.fixture(scope="module")
def real() -> list[dict[str, Any]]:
    if not DATA.exists():
        pytest.skip(f"no real messages to compare with: {DATA} is not there")
    lines = [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]
    return [line for line in lines if category_of(line["message"]) in rules.CATEGORIES]


def test_at_least_95_percent_of_real_messages_name_whom_fedora_s_processors_name(
    real: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Users and packages each agree with what the Fedora processors computed."""
    shares = {}
    for kind, read in READERS.items():
        compared = [line for line in real if line["computed"][kind] is not None]
        agreeing = [line for line in compared if read(line["message"]) == frozenset(line["computed"][kind])]
        shares[kind] = len(agreeing) / len(compared)
        with capsys.disabled():
            print(f"\nrules, {kind}: {len(agreeing)} of {len(compared)} agree ({shares[kind]:.1%})")
    assert min(shares.values()) >= 0.95


def test_every_category_occurs_among_the_real_messages(real: list[dict[str, Any]]) -> None:
    """No category is left out of the comparison."""
    assert {category_of(line["message"]) for line in real} == rules.CATEGORIES
    assert set(rules.PACKAGES) == set(rules.USERNAMES) == {"bodhi", "buildsys", "copr", "git", "pagure"}


@given(topics, json_values)
def test_odd_shapes_never_raise(topic: str, msg: Any) -> None:
    """Whatever lies in msg, only texts that are not empty come out."""
    for read in READERS.values():
        names = read({"topic": topic, "msg": msg})
        assert isinstance(names, frozenset)
        assert all(isinstance(name, str) and name for name in names)


@pytest.mark.parametrize(
    "odd", [{}, {"topic": None}, {"topic": 7, "msg": {}}, {"topic": "a.b"}, {"topic": ""}]
)
def test_a_message_without_a_category_names_nobody(odd: dict[str, Any]) -> None:
    """Too short a topic, or none, is no error."""
    assert category_of(odd) == ""
    assert rules.usernames(odd) == rules.packages(odd) == frozenset()


def test_other_categories_name_nobody() -> None:
    """Only the categories of the tables are read."""
    other = message("wiki.article.edit", {"user": "jane", "agent": "jane", "name": "kernel"})
    assert rules.usernames(other) == rules.packages(other) == frozenset()


@pytest.mark.parametrize(
    ("subtopic", "msg", "users", "packages"),
    [
        ("pagure.issue.new", {"agent": "jane"}, {"jane"}, set()),
        ("pagure.git.receive", {"commit": {"email": "jane@fedoraproject.org"}}, {"jane"}, set()),
        ("pagure.git.receive", {"commit": {"email": "jane@example.org"}}, {"jane@example.org"}, set()),
        ("pagure.git.receive", {"agent": "joe", "commit": {"email": "jane@example.org"}}, {"joe"}, set()),
        ("pagure.issue.new", {"commit": {"email": "jane@example.org"}}, set(), set()),
        ("git.receive", {"commit": {"username": "jane", "repo": "bash"}}, {"jane"}, {"bash"}),
        ("git.receive.bash.main", {"commit": {"username": "jane"}}, {"jane"}, {"bash"}),
        ("git.bash.git.receive", {"commits": []}, set(), {"git"}),
        ("git.receive", {"agent": "joe", "commit": {"repo": "bash", "namespace": "rpms"}}, {"joe"}, {"bash"}),
        ("git.receive", {"commit": {"repo": "bash", "namespace": "container"}}, set(), set()),
        ("git.receive", {"commit": {"repo": "bash", "namespace": None}}, set(), set()),
        ("git.branch.perl.Moose.f40", {"agent": "joe"}, {"joe"}, {"perl.Moose"}),
        ("git.lookaside.bash.new", {"agent": "joe", "name": "bash"}, {"joe"}, {"bash"}),
        ("git.pkgdb2branch.complete", {"branchedPackages": ["a"], "unbranchedPackages": ["b"]}, set(), AB),
        ("bodhi.update.request.stable", {"update": {"title": "a-1-2,b-1-2 b-1-3"}}, set(), AB),
        ("bodhi.update.edit", {"update": {"builds": [{"nvr": "a-1-2"}, {}, None]}}, set(), {"a"}),
        ("bodhi.update.eject", {"update": {"submitter": {"name": "joe"}}}, {"joe"}, set()),
        ("bodhi.update.comment", {"comment": {"author": "joe", "text": "as @ann said"}}, {"joe", "ann"}, set()),
        ("bodhi.update.comment", {"comment": {"user": {"name": "joe"}}}, {"joe"}, set()),
        ("bodhi.update.comment", {"comment": {"update_title": "a-b-1-2"}}, set(), {"a-b"}),
        ("bodhi.update.comment", {"comment": {"update": {"builds": [{"nvr": "a-1-2"}]}}}, set(), {"a"}),
        ("bodhi.buildroot_override.tag", {"override": {"submitter": "joe", "build": "a"}}, {"joe"}, {"a"}),
        ("bodhi.buildroot_override.tag", {"override": {"build": {"nvr": "a-1-2"}}}, set(), {"a"}),
        ("bodhi.mashtask.mashing", {"agent": "joe", "updates": ["a-1-2"]}, {"joe"}, set()),
        ("bodhi.masher.start", {"updates": ["a-1-2 b-1-2", None]}, set(), AB),
        ("bodhi.stack.save", {"stack": {"packages": [{"name": "a"}]}}, set(), {"a"}),
        ("buildsys.tag", {"owner": "joe", "user": "jane", "name": "a"}, {"joe", "jane"}, {"a"}),
        ("buildsys.build.state.change", {"owner": None, "name": "a"}, set(), {"a"}),
        ("buildsys.task.state.change", {"owner": "joe", "info": None, "name": "a"}, {"joe"}, set()),
        ("buildsys.rpm.sign", {"info": {"name": "a-libs"}, "owner": "joe"}, set(), {"a-libs"}),
        ("buildsys.rpm.sign", {"info": None, "rpm": {"name": "a-libs"}}, set(), {"a-libs"}),
        ("buildsys.package.list.change", {"package": "a"}, set(), {"a"}),
        ("buildsys.repo.done", {"owner": "joe", "name": "a"}, set(), set()),
        ("copr.build.end", {"user": "joe", "owner": "@group", "pkg": "a"}, {"joe", "@group"}, set()),
        ("copr.build.end", {"user": "", "owner": 12}, set(), set()),
    ],
)  # fmt: skip
def test_each_shape_names(subtopic: str, msg: dict[str, Any], users: set[str], packages: set[str]) -> None:
    """A message of this topic and shape names these users and packages."""
    assert rules.usernames(message(subtopic, msg)) == users
    assert rules.packages(message(subtopic, msg)) == packages
