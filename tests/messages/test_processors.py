"""Finding and asking the fedmsg.meta processors."""

import json
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, NoReturn

import fedmsg.config
import fedmsg.meta
import pytest
from fedmsg.meta.base import BaseProcessor
from fedmsg.meta.default import DefaultProcessor

from statscache.messages import naming, rules
from statscache.messages.naming import BUILT_IN, Meta
from statscache.messages.processors import NETWORK, NETWORK_LOOKUPS, NETWORK_SETTINGS
from tests.support.shared import SHARED

DATA = SHARED / "data" / "messages.jsonl"
PAGURE = {"topic": "io.pagure.prod.pagure.issue.new", "msg_id": "2024-1", "msg": {"agent": "jane"}}
CREDENTIALS = {"fas_credentials": {"username": "joe", "password": "x", "base_url": "http://192.0.2.1/"}}


class Fake(BaseProcessor):  # type: ignore[misc]  # fedmsg has no types
    """A processor of the category that its subclass is named after."""

    __description__ = __link__ = __docs__ = __obj__ = "fake"
    answer: Any = frozenset({"fake"})

    def usernames(self, msg: Any, **config: Any) -> Any:
        return self.answer

    packages = usernames


class Wiki(Fake):
    __name__ = "wiki"


class Pagure(Fake):
    __name__ = "pagure"
    topic_prefix_re = r"io\.pagure\.prod"


class Odd(Fake):
    __name__ = "odd"
    answer: Any = [None, 7, "", "joe"]


class Silent(Fake):
    __name__ = "silent"
    answer: Any = None


class Spelled(Fake):
    __name__ = "spelled"
    answer: Any = "joe"


class Acted(Fake):
    """Says who did it, which fedmsg.meta calls an agent."""

    __name__ = "acted"

    def agent(self, msg: Any, **config: Any) -> Any:
        return msg["msg"]["who"]


class Tagged(Acted):
    __name__ = "buildsys"


class Raising(Fake):
    __name__ = "raising"

    def usernames(self, msg: Any, **config: Any) -> NoReturn:
        raise LookupError("no such\nthing")

    packages = usernames


class Unbuildable(Fake):
    __name__ = "unbuildable"

    def __init__(self, *args: Any, **config: Any) -> None:
        raise OSError("no\nkeytab")


class Urgent(Fake):
    """Looks at more than the topic."""

    __name__ = "urgent"

    def handle_msg(self, msg: Any, **config: Any) -> str | None:
        return "" if msg["msg"]["urgent"] else None


class NoProcessor:
    def __init__(self, *args: Any, **config: Any) -> None: ...


def _category(fake: type) -> str:
    """The fakes are named after their categories; a processor's own `__name__` shows on instances only."""
    return fake.__qualname__.lower()


Install = Callable[..., None]


@pytest.fixture(autouse=True)
def _keep_fedmsg_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fedmsg.meta, "processors", fedmsg.meta.processors)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Let these be the only processors installed: fakes, and entry points by name."""

    def install(*fakes: type, **values: str) -> None:
        named = {_category(fake): f"{__name__}:{fake.__qualname__}" for fake in fakes}
        entries = [EntryPoint(name, value, "fedmsg.meta") for name, value in {**named, **values}.items()]
        monkeypatch.setattr(naming, "entry_points", lambda group: entries)

    return install


@pytest.fixture(scope="module")
def real() -> list[dict[str, Any]]:
    if not DATA.exists():
        pytest.skip(f"no real messages to compare with: {DATA} is not there")
    return [json.loads(line) for line in DATA.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def fedora(monkeypatch: pytest.MonkeyPatch) -> Iterator[Meta]:
    """Fedora's processors under a configuration that would have them fetch every account."""
    package = "fedmsg_meta_fedora_infrastructure"
    pytest.importorskip(package, reason="the Fedora processors are not installed")
    for name in [name for name in sys.modules if name.startswith(package)]:
        monkeypatch.delitem(sys.modules, name)
    # The mailman processor reads the configuration itself, and the hub has it loaded by then.
    monkeypatch.setattr(fedmsg.config, "__cache", {"endpoints": {}, **CREDENTIALS})
    yield Meta(CREDENTIALS)
    for name in [name for name in sys.modules if name.startswith(package)]:
        del sys.modules[name]


def about(category: str, msg: Any = None, prefix: str = "org.fedoraproject.prod") -> dict[str, Any]:
    return {"topic": f"{prefix}.{category}.thing", "msg_id": "2024-1", "msg": msg or {}}


def test_fedora_s_processors_name_what_they_are_known_to_name(
    fedora: Meta, real: list[dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    """Every real message has the users and packages computed for it, except those that need the network."""
    assert fedora.load().failed == {}
    cells = [
        (getattr(fedora, kind)(line["message"]), frozenset(line["computed"][kind] or ()), line["n"], kind)
        for line in real
        for kind in ("usernames", "packages")
        if (line["category"], kind) not in NETWORK
    ]
    with capsys.disabled():
        print(f"\nFedora's processors: {len(cells)} cells compared")
    assert [cell for cell in cells if cell[0] != cell[1]] == []


def test_no_message_opens_a_connection(
    fedora: Meta, real: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither our questions nor an older plugin's use the network, even where credentials are configured."""
    calls: list[Any] = []

    def refuse(*args: Any, **_: Any) -> NoReturn:
        calls.append(args)
        raise OSError("no network in this test")

    for owner, name in [(socket.socket, "connect"), (socket.socket, "connect_ex"), (socket, "getaddrinfo")]:
        monkeypatch.setattr(owner, name, refuse)
    update = {"topic": "org.fedoraproject.prod.taskotron.result.new", "msg_id": "2024-1"}
    update["msg"] = {"task": {"type": "bodhi_update", "item": "FEDORA-2024-1"}}
    address = about("bugzilla", {"bug": {"creator": "jane@example.org", "component": "bash", "cc": []}})
    for message in [update, address, *(line["message"] for line in real)]:
        fedora.usernames(message)
        fedora.packages(message)
        for ask in (fedmsg.meta.msg2usernames, fedmsg.meta.msg2packages):
            with suppress(Exception):  # as of any message that its processor cannot read
                ask(message, **CREDENTIALS)
    assert calls == []


def test_the_table_of_what_uses_the_network_is_up_to_date(fedora: Meta) -> None:
    """Every row names something that is installed, and gives a reason."""
    assert {name for name, _ in NETWORK} <= set(fedora.load().active)
    for module, function in NETWORK_LOOKUPS:
        assert getattr(sys.modules[module], function)(**CREDENTIALS) == {}
    assert all({**NETWORK, **NETWORK_LOOKUPS}.values())
    assert "packages of taskotron" in str(fedora)


def test_processors_are_found_among_the_installed_distributions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution's entry point is enough, and one that cannot be imported disables no other."""
    info = tmp_path / "sample-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: sample\nVersion: 1.0\n")
    wiki = f"{__name__}:Wiki"
    (info / "entry_points.txt").write_text(
        f"[fedmsg.meta]\nsample = {wiki}\nbroken = no_such_module:Processor\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    meta = Meta({})
    assert {"announce", "logger", "sample"} <= set(meta.load().active)
    assert meta.load().failed["broken"] == "ModuleNotFoundError: No module named 'no_such_module'"


def test_broken_processors_fail_alone(install: Install) -> None:
    """What cannot be imported, built or used is named with a reason of one line; the others are active."""
    install(Wiki, Unbuildable, missing=f"{__name__}:Missing", wrong=f"{__name__}:NoProcessor")
    meta = Meta({})
    assert meta.load().active == ["wiki"]
    assert sorted(meta.load().failed) == ["missing", "unbuildable", "wrong"]
    assert meta.load().failed["unbuildable"] == "OSError: no keytab"
    assert "handle_msg, usernames, packages" in meta.load().failed["wrong"]
    assert meta.usernames(about("wiki")) == {"fake"}
    assert "unbuildable (OSError: no keytab)" in str(meta)
    assert "\n" not in str(meta)


def test_without_processors_the_rules_answer(install: Install) -> None:
    """fedmsg's own processors know none of the categories of the rules."""
    install(**BUILT_IN)
    meta = Meta({})
    assert meta.usernames(PAGURE) == {"jane"}
    assert meta.packages(about("buildsys.tag", {"name": "bash"})) == {"bash"}
    assert str(meta) == (
        "2 fedmsg.meta processors (announce, logger); "
        "the rules of statscache cover bodhi, buildsys, copr, git, pagure"
    )


def test_the_start_line_says_when_there_is_no_processor_at_all(install: Install) -> None:
    """An empty installation is told from one with processors."""
    install()
    assert str(Meta({})).startswith("no fedmsg.meta processors; the rules of statscache cover bodhi,")


def test_a_processor_replaces_the_rules_for_its_whole_category(install: Install) -> None:
    """Even where it does not handle the prefix, so that installing it gives what fedmsg.meta gives."""
    install(Pagure)
    meta = Meta({})
    assert meta.usernames(PAGURE) == {"fake"}
    assert meta.usernames(about("pagure", {"agent": "jane"})) == frozenset()
    assert meta.usernames(about("git", {"agent": "jane"})) == {"jane"}
    assert "pagure" not in str(meta).partition("cover")[2]


@pytest.mark.parametrize(("fake", "names"), [(Odd, {"joe"}), (Silent, set()), (Spelled, set())])
def test_only_texts_in_a_collection_are_names(install: Install, fake: type, names: set[str]) -> None:
    """Whatever a processor answers, only texts that are not empty come out."""
    install(fake)
    assert Meta({}).usernames(about(_category(fake))) == names


def test_a_processor_that_raises_names_nobody_and_is_logged_once(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """The log has one line, without a traceback, for all messages of one kind of error."""
    install(Raising)
    meta = Meta({})
    for _ in range(3):
        assert meta.usernames(about("raising")) == meta.packages(about("raising")) == frozenset()
    (record,) = caplog.records
    assert record.getMessage().startswith(
        "Raising.usernames of message 2024-1 raised LookupError: no such thing"
    )
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("who", "agent"),
    [("joe", "joe"), ("joe@fedoraproject.org", "joe"), (None, None), (["joe"], None), ("", None)],
)
def test_a_processor_that_says_who_did_it_is_believed(install: Install, who: Any, agent: str | None) -> None:
    """Also where that is nobody."""
    install(Acted)
    assert Meta({}).agent(about("acted", {"who": who, "agent": "jane"})) == agent


def test_the_rules_know_agents_beside_processors_that_do_not(install: Install) -> None:
    """fedmsg.meta itself would take any of the users that such a processor names."""
    install(Wiki, Pagure)
    meta = Meta({})
    assert meta.usernames(PAGURE) == {"fake"}
    assert meta.agent(PAGURE) == "jane"
    assert meta.agent(about("wiki")) is None


def test_a_processor_that_cannot_say_who_did_it_names_nobody(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """As with users it is logged once, and nobody else is asked."""
    install(**{"buildsys": f"{__name__}:Tagged"})
    meta = Meta({})
    for _ in range(3):
        assert meta.agent(about("buildsys.tag", {"user": "joe"})) is None
    lines = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert lines == [
        "Tagged.agent of message 2024-1 raised KeyError: 'who': it names nobody (not logged again)"
    ]


def test_fedora_s_own_agents(fedora: Meta) -> None:
    """Of all processors four say who did it, and of these fedmsg's own two know the sender."""
    saying = [type(each).__name__ for each in fedora.load().all if each.agent is not NotImplemented]
    assert sorted(saying) == [
        "AnnounceProcessor",
        "InfraGitProcessor",
        "LoggerProcessor",
        "WaiverDBProcessor",
    ]
    assert fedora.agent(about("waiverdb.waiver", {"username": "jane"})) == "jane"
    assert fedora.agent({**about("logger.log"), "username": "jane"}) == "jane"


def test_a_processor_that_looks_into_messages_is_asked_about_each(
    install: Install, caplog: pytest.LogCaptureFixture
) -> None:
    """What it accepts of one message holds for no other, and where it fails the next in line is asked."""
    install(Urgent, Wiki)
    meta = Meta({})
    urgent, calm, strange = (about("wiki", {"urgent": True}), about("wiki", {"urgent": False}), about("wiki"))
    handlers = [meta.load()._candidates(urgent["topic"]) for _ in range(2)]
    assert [type(candidate.processor) for candidate in handlers[0]] == [Urgent, Wiki]
    assert meta.usernames(urgent) == meta.usernames(calm) == meta.usernames(strange) == {"fake"}
    assert "Urgent.handle_msg of message 2024-1 raised KeyError" in caplog.text


def test_a_topic_s_processor_is_found_once(install: Install) -> None:
    """A stream of messages does not try every processor on each, and the memory of topics is bounded."""
    install(Wiki, **BUILT_IN)
    meta = Meta({})
    for _ in range(5):
        meta.usernames(about("wiki"))
    assert meta.load()._candidates.cache_info().misses == 1
    assert meta.load()._candidates.cache_info().maxsize


@pytest.mark.parametrize(
    ("config", "prefix"),
    [
        ({}, "org.fedoraproject.prod"),
        ({"topic_prefix": "org.example"}, "org.example.dev"),
        ({"topic_prefix_re": r"net\.example"}, "net.example"),
    ],
)
def test_processors_without_a_prefix_take_the_configured_one(
    install: Install, config: dict[str, str], prefix: str
) -> None:
    """A configuration that lacks topic_prefix_re gets the one that fedmsg would derive."""
    install(Wiki)
    meta = Meta(config)
    assert meta.usernames(about("wiki", prefix=prefix)) == {"fake"}
    assert meta.usernames(about("wiki", prefix="com.elsewhere.prod")) == frozenset()


def test_older_plugins_get_the_same_answers_from_fedmsg_meta(install: Install) -> None:
    """fedmsg.meta.msg2usernames and msg2packages use these processors, then the rules."""
    install(Wiki, **BUILT_IN)
    meta = Meta({})
    build = about("buildsys.tag", {"owner": "joe", "user": "jane", "name": "bash"})
    for message in (PAGURE, build, about("wiki"), about("unknown")):
        assert fedmsg.meta.msg2usernames(message) == meta.usernames(message)
        assert fedmsg.meta.msg2packages(message) == meta.packages(message)
    assert isinstance(fedmsg.meta.processors[-1], DefaultProcessor)
    assert rules.usernames(build) == fedmsg.meta.msg2usernames(build)


def test_the_configuration_is_left_as_it_was(install: Install) -> None:
    """Processors do not see the settings that make them look accounts up; the caller keeps them."""
    install(Wiki)
    config = {**dict.fromkeys(NETWORK_SETTINGS, True), "namespace": "rpms"}
    meta = Meta(config)
    assert set(config) >= NETWORK_SETTINGS
    assert set(meta.load()._config) == {"topic_prefix_re", "namespace"}
