"""Asking the message classes that packages register for fedora-messaging."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any, NoReturn

import pytest

from statscache.messages import schemas
from statscache.messages.message import Message
from statscache.messages.naming import Meta
from statscache.messages.schemas import Schemas
from tests.support.messages import example

loads: list[str] = []


class Base:
    """Is made as the messages of fedora-messaging are; without properties it would look for its configuration."""

    usernames: Any = []
    packages: Any = []

    def __init__(
        self,
        body: Any = None,
        headers: Any = None,
        topic: Any = None,
        properties: Any = None,
        severity: Any = None,
    ) -> None:
        assert properties is not None
        self.body, self.topic, self.properties = body or {}, topic, properties


class Wiki(Base):
    @property
    def usernames(self) -> list[str]:
        return [self.body["user"]]

    @property
    def packages(self) -> set[str]:
        return {self.topic, self.properties.headers["fedora_messaging_schema"], self.properties.message_id}


class Wilful(Base):
    """Has a constructor of its own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.usernames = ["ada", "", None, 7]
        self.packages = "vim"


class Raising(Base):
    @property
    def usernames(self) -> NoReturn:
        raise LookupError("no such\nthing")

    @property
    def packages(self) -> list[str]:
        return self.body.setdefault("packages", [self.properties.headers.pop("schema")])


class Changing(Base):
    @property
    def usernames(self) -> list[str]:
        self.body["a"].append(2)
        self.body["new"] = 1
        return list(self.body)

    @property
    def packages(self) -> list[str]:
        return [self.properties.headers.popitem()[0]]


class Narrow:
    """Takes no properties."""

    usernames: Any = ["ada"]
    packages: Any = []

    def __init__(self, body: Any) -> None: ...


class Agent(Base):
    """Says who did it."""

    @property
    def agent_name(self) -> Any:
        return self.body["who"]


class Nameless:
    usernames: Any = []


class Entry(EntryPoint):
    """Notes when it is loaded."""

    def load(self) -> Any:
        loads.append(self.name)
        return super().load()


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let these be the only schemas installed, each under its name; `base.message` is always there."""

    def install(*kinds: type, **values: str) -> None:
        named = {kind.__name__.lower(): f"{__name__}:{kind.__qualname__}" for kind in kinds}
        found = {"base.message": "no_such_module:Message", **named, **values}
        entries = [Entry(name, value, "fedora.messages") for name, value in found.items()]
        monkeypatch.setattr(schemas, "entry_points", lambda group: entries)

    loads.clear()
    return install


def sent(schema: Any, naming: Any, msg: Any = None, **headers: Any) -> Message:
    given = {"fedora_messaging_schema": schema, **headers}
    return Message({**example(), "msg": msg or {}, "headers": given}, naming)


def test_a_class_names_users_and_packages(install: Any) -> None:
    """It is given the content, the topic, the headers and the id."""
    install(Wiki)
    message = sent("wiki", Meta({}), {"user": "ada"})
    assert message.usernames == {"ada"}
    assert message.packages == {message.topic, "wiki", message.msg_id}


def test_headers_have_the_word_before_the_class(install: Any) -> None:
    """They were written by the class that the publisher had."""
    install(Wiki)
    message = sent(
        "wiki", Meta({}), {"user": "ada"}, fedora_messaging_user_joe=True, fedora_messaging_rpm_vim=True
    )
    assert (message.usernames, message.packages) == ({"joe"}, {"vim"})
    assert loads == []


@pytest.mark.parametrize(
    "header", ["user_joe", "rpm_vim", "group_infra", "container_x", "module_x", "flatpak_x"]
)
def test_a_class_is_not_asked_where_headers_name_something(install: Any, header: str) -> None:
    """Whoever wrote them has asked it, whichever version is installed here; processors and rules are asked."""
    install(Wiki)
    build = {"user": "ada", "owner": "joe", "name": "bash"}
    headers = {"fedora_messaging_schema": "wiki", f"fedora_messaging_{header}": True}
    topic = "org.fedoraproject.prod.buildsys.tag"
    message = Message({**example(), "topic": topic, "msg": build, "headers": headers}, Meta({}))
    assert message.usernames == ({"joe"} if header == "user_joe" else {"ada", "joe"})
    assert message.packages == ({"vim"} if header == "rpm_vim" else {"bash"})
    assert loads == []


def test_a_class_has_the_word_before_processors_and_rules(install: Any) -> None:
    """Where it names nobody these are asked."""
    install(Wiki)
    build = {"user": "ada", "owner": "joe", "name": "bash"}
    body = {**example(), "topic": "org.fedoraproject.prod.buildsys.tag", "msg": build}
    for schema, users in (("wiki", {"ada"}), ("base.message", {"ada", "joe"}), ("unknown", {"ada", "joe"})):
        assert Message({**body, "headers": {"fedora_messaging_schema": schema}}, Meta({})).usernames == users


def test_only_texts_in_a_collection_are_names(install: Any) -> None:
    """As with processors."""
    install(Wilful)
    message = sent("wilful", Schemas())
    assert (message.usernames, message.packages) == ({"ada"}, frozenset())


@pytest.mark.parametrize("schema", ["base.message", "unknown", "", None, 7, ["wiki"], {"wiki": True}])
def test_a_message_of_no_schema_that_is_installed_is_not_asked_for(install: Any, schema: Any) -> None:
    """Then nothing is loaded either."""
    install(Wiki)
    message = sent(schema, Schemas())
    assert message.usernames == message.packages == frozenset()
    assert loads == []


def test_classes_are_loaded_when_the_first_message_has_one(install: Any) -> None:
    """Once, and all of them, and never what fedora-messaging itself registers."""
    install(Wiki, Wilful)
    meta = Meta({})
    assert loads == []
    for _ in range(3):
        assert sent("wilful", meta).usernames == {"ada"}
    assert loads == ["wiki", "wilful"]


def test_without_schemas_fedora_messaging_is_not_imported(install: Any) -> None:
    """Nor is it where fedora-messaging is installed alone."""
    install()
    assert "schema" not in str(Meta({})) + Meta({}).brief
    assert loads == []
    assert "fedora_messaging" not in sys.modules


def test_a_class_that_raises_names_nobody_and_is_logged_once(
    install: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """One line, without a traceback, for each kind of error."""
    install(Raising, Narrow)
    meta = Meta({})
    for _ in range(3):
        for schema in ("raising", "narrow"):
            message = sent(schema, meta, {"a": 1})
            assert message.usernames == message.packages == frozenset()
    lines = [record.getMessage() for record in caplog.records]
    assert [line.partition(" raised ")[0] for line in lines] == [
        "Raising.usernames of message 2016-a",
        "Raising.packages of message 2016-a",
        "Narrow.usernames of message 2016-a",
    ]
    assert "LookupError: no such thing: the processors and rules name whom they can" in lines[0]
    assert all(record.exc_info is None for record in caplog.records)


@pytest.mark.parametrize(
    ("who", "agent"),
    [("ann", "ann"), ("ann@fedoraproject.org", "ann"), (None, "ada"), ("@group", "ada"), (["ann"], "ada")],
)
@pytest.mark.parametrize("header", ["user_joe", "x"])
def test_a_class_has_the_first_word_on_who_did_it(install: Any, header: str, who: Any, agent: str) -> None:
    """Also where headers name users: none says who did it. Where it names nobody the archive and rules are asked."""
    install(Agent)
    headers = {"fedora_messaging_schema": "agent", f"fedora_messaging_{header}": True}
    body = {**example(), "topic": "org.fedoraproject.prod.buildsys.tag", "headers": headers}
    assert Message({**body, "msg": {"who": who, "user": "ada"}}, Meta({})).agent == agent
    archived = {**body, "msg": {"who": who, "user": "joe"}, "agent_name": "ada"}
    assert Message(archived, Meta({})).agent == agent


def test_a_class_without_an_agent_names_none(install: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Those of older versions of fedora-messaging have none, and that is no error."""
    install(Wiki)
    assert sent("wiki", Meta({})).agent is None
    assert caplog.records == []


def test_a_class_that_raises_leaves_the_agent_to_the_others(
    install: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As with users it is logged once."""
    install(Agent)
    body = {**example(), "topic": "org.fedoraproject.prod.buildsys.tag", "msg": {"user": "ada"}}
    meta = Meta({})
    for _ in range(3):
        assert Message({**body, "headers": {"fedora_messaging_schema": "agent"}}, meta).agent == "ada"
    (line,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert line.startswith("Agent.agent_name of message 2016-a raised KeyError: 'who'")


def test_a_class_may_change_headers_and_not_the_content(install: Any) -> None:
    """Plugins see neither: koji's class for tags writes into its headers when it is made."""
    install(Changing)
    message = sent("changing", Schemas(), {"a": [1]})
    before = json.dumps(message)
    assert (message.usernames, message.packages) == (frozenset(), {"fedora_messaging_schema"})
    assert json.dumps(message) == before


def test_classes_that_do_not_load_fail_alone_and_are_named(install: Any) -> None:
    """As processors are, with a reason of one line where there is room for it."""
    install(Wiki, Nameless, gone="no_such_module:Message", value=f"{__name__}:loads")
    meta = Meta({})
    assert sent("wiki", meta, {"user": "ada"}).usernames == {"ada"}
    assert sent("gone", meta).usernames == frozenset()
    assert meta.brief.startswith("1 message schema; 3 message schemas failed: gone, nameless, value; ")
    assert "gone (ModuleNotFoundError: No module named 'no_such_module')" in str(meta)
    assert f"nameless (TypeError: {__name__}:Nameless is no message class: it has no packages)" in str(meta)
    assert "\n" not in str(meta) + meta.brief
