"""From entry points to plugins: which run, which do not, and what is told of those that cannot."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import timedelta
from importlib.metadata import EntryPoint
from typing import Any

import pytest

from statscache.errors import Unusable
from statscache.hosting.loader import Entry, find_plugin, load, running
from statscache.messages.message import Message
from statscache.plugins import BasePlugin, Umbrella
from statscache.settings import Settings


class Plain(BasePlugin):
    """A plugin with all that one needs."""

    name = "plain"
    summary = "Nothing"
    description = "Nothing at all."

    def process(self, message: Message) -> None: ...


class Minutely(Plain):
    name = "Minutely, by Hand"
    interval = timedelta(minutes=1)


class Other(Plain):
    name = "other"


class OffByDefault(Plain):
    name = "quiet"
    enabled_by_default = False


class OffWithTheNameOfPlain(Plain):
    enabled_by_default = False


class Nameless(Plain):
    name = ""


class WithoutSummary(Plain):
    summary = ""


class WithoutDescription(Plain):
    description = ""


class HalfASecond(Plain):
    interval = timedelta(milliseconds=500)


class NoTime(Plain):
    interval = timedelta(0)


class Seconds(Plain):
    interval: Any = 60


class Explosive(Plain):
    name = "explosive"

    def __init__(self, *args: Any) -> None:
        raise RuntimeError("not today")


class Front(Umbrella, Plain):
    name = "front"

    def __init__(self, schedule: Any, config: Any, model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self._plugins = [Plain(None, config), Other(None, config)]


class FrontWithTwins(Front):
    name = "twins"

    def __init__(self, schedule: Any, config: Any, model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self._plugins = [Plain(None, config), Plain(None, config)]


class FrontWithAStranger(Front):
    name = "stranger"

    def __init__(self, schedule: Any, config: Any, model: Any = None) -> None:
        super().__init__(schedule, config, model)
        self._plugins = [object()]  # type: ignore[list-item]


class FrontThatIsHollow(Umbrella, Plain):
    name = "hollow"

    def __init__(self, schedule: Any, config: Any, model: Any = None) -> None:
        self.schedule = schedule


class NotAPlugin:
    name = "impostor"


several = [Plain, Other]
with_one_off = [Plain, OffByDefault]
generated = (kind for kind in (Plain, Other))
mixed = [NotAPlugin, Other]
empty: list[type] = []
number = 7
nothing = None


def broken_generator() -> Iterator[type]:
    yield Other
    raise RuntimeError("half way")


breaking = broken_generator()


def point(what: str, name: str = "it") -> EntryPoint:
    """An entry point for something of this module, or of another that is given with a colon."""
    value = what if ":" in what else f"{__name__}:{what}"
    return EntryPoint(name, value, "statscache.plugin")


def settings(enabled: tuple[str, ...] = (), disabled: tuple[str, ...] = ()) -> Settings:
    return Settings("postgresql+psycopg2://", 1.0, frozenset(enabled), frozenset(disabled), database_wait=1.0)


def load_all(
    *points: EntryPoint, config: dict[str, Any] | None = None, **names: tuple[str, ...]
) -> list[Entry]:
    return load(settings(**names), config or {}, points)


def idents(entries: list[Entry]) -> list[str]:
    return [part.ident for part in running(entries)]


GOOD = point("Other", "good")


def test_a_class_is_one_plugin() -> None:
    """An entry point may name a class, which gets its schedule and the configuration."""
    config = {"some": "thing"}
    [entry] = load_all(point("Minutely"), config=config)
    [plugin] = entry.plugins
    assert type(plugin) is Minutely
    assert str(plugin.schedule) == "1m"
    assert plugin.config == config
    assert idents([entry]) == ["minutely-by-hand-1m"]
    assert (entry.on, entry.why, entry.failures) == (True, "by default", [])


@pytest.mark.parametrize("what", ["several", "generated"])
def test_a_collection_is_several_plugins(what: str) -> None:
    """An entry point may name a list or a generator of classes."""
    assert idents(load_all(point(what))) == ["plain", "other"]


def test_an_umbrella_is_run_as_its_parts() -> None:
    """Each part is named after the front and itself, and is made anew from a new front."""
    parts = running(load_all(point("Front")))
    assert [part.ident for part in parts] == ["front/plain", "front/other"]
    again = [part.make() for part in parts]
    assert [type(plugin) for plugin in again] == [Plain, Other]
    assert all(plugin is not part.plugin for plugin, part in zip(again, parts, strict=True))


def test_a_plugin_is_made_anew_as_it_was_made() -> None:
    """What makes another instance gives it the same schedule and configuration."""
    config = {"some": "thing"}
    [part] = running(load_all(point("Minutely"), config=config))
    again = part.make()
    assert again is not part.plugin
    assert (again.ident, again.config) == (part.ident, config)


@pytest.mark.parametrize(
    ("what", "reasons"),
    [
        ("number", ["TypeError", "not iterable"]),
        ("nothing", ["TypeError", "not iterable"]),
        ("NotAPlugin", ["NotAPlugin", "statscache.plugins.BasePlugin"]),
        ("breaking", ["RuntimeError", "half way"]),
        ("absent", ["AttributeError", "absent"]),
        ("tests.absent:plugins", ["ModuleNotFoundError", "tests.absent"]),
        ("Nameless", ["Nameless", "no name"]),
        ("WithoutSummary", ["WithoutSummary", "no summary"]),
        ("WithoutDescription", ["WithoutDescription", "no description"]),
        ("HalfASecond", ["HalfASecond", "positive whole number of seconds"]),
        ("NoTime", ["NoTime", "positive whole number of seconds"]),
        ("Seconds", ["Seconds", "must be a timedelta"]),
        ("Explosive", ["Explosive", "RuntimeError: not today"]),
    ],
)
def test_what_cannot_be_loaded_is_told_and_the_others_run(
    what: str, reasons: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The log names the entry point and the reason, and is kept with the entry."""
    entries = load_all(point(what, "bad"), GOOD)
    assert idents(entries) == ["other"]
    [failure] = next(entry.failures for entry in entries if entry.name == "bad")
    [record] = caplog.records
    assert record.levelname == "ERROR"
    assert "the plugin bad" in record.getMessage()
    assert failure in record.getMessage()
    for reason in reasons:
        assert reason in failure


def test_one_bad_class_of_a_list_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """Each class of a collection is loaded or fails for itself."""
    [entry] = load_all(point("mixed"))
    assert idents([entry]) == ["other"]
    assert len(entry.failures) == 1
    assert "NotAPlugin" in caplog.text


def test_of_two_plugins_with_one_ident_the_first_runs(caplog: pytest.LogCaptureFixture) -> None:
    """The second is refused with the name of the one that has the ident."""
    first, second = load_all(point("Plain", "a"), point("Plain", "b"))
    assert idents([first, second]) == ["plain"]
    assert not first.failures
    assert "its ident plain is taken by the plugin a" in second.failures[0]
    assert "the plugin b" in caplog.text


def test_a_plugin_that_is_off_takes_no_ident() -> None:
    """A plugin that does not run stands in nobody's way."""
    entries = load_all(point("OffWithTheNameOfPlain", "a"), point("Plain", "b"))
    assert idents(entries) == ["plain"]
    assert idents(load_all(point("with_one_off", "a"), point("Plain", "b"))) == ["plain"]


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_of_two_plugins_with_one_ident_the_command_shows_the_one_that_is_on(names: str) -> None:
    """The order of the entry points makes no difference to it."""
    entries = load_all(point("OffWithTheNameOfPlain", names[0]), point("Plain", names[1]))
    assert type(find_plugin(entries, "plain")) is Plain


def test_an_umbrella_whose_parts_share_an_ident_fails_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Two parts of one ident could not be told apart, so the front is refused and the others run."""
    entries = load_all(point("FrontWithTwins", "bad"), GOOD)
    assert idents(entries) == ["other"]
    assert "the plugin bad" in caplog.text


@pytest.mark.parametrize("what", ["FrontWithAStranger", "FrontThatIsHollow"])
def test_an_umbrella_without_proper_parts_fails_alone(what: str, caplog: pytest.LogCaptureFixture) -> None:
    """A front whose parts are no plugins is refused and the others run."""
    entries = load_all(point(what, "bad"), GOOD)
    assert idents(entries) == ["other"]
    assert "the plugin bad" in caplog.text


def test_a_plugin_off_by_default_is_loaded_but_not_run() -> None:
    """It is there for who lists the plugins."""
    entries = load_all(point("OffByDefault", "quiet"), GOOD)
    quiet = next(entry for entry in entries if entry.name == "quiet")
    assert idents(entries) == ["other"]
    assert (quiet.on, len(quiet.plugins)) == (False, 1)
    assert quiet.why == "by default; name it in statscache.plugins.enabled"


def test_a_plugin_off_by_default_runs_when_it_is_named() -> None:
    """The setting names entry points."""
    [entry] = load_all(point("OffByDefault", "quiet"), enabled=("quiet",))
    assert idents([entry]) == ["quiet"]
    assert entry.why == "named in statscache.plugins.enabled"


def test_a_disabled_plugin_is_not_even_imported() -> None:
    """A package that breaks on import can be switched off."""
    entries = load_all(point("this:s", "bad"), GOOD, disabled=("bad",))
    assert "this" not in sys.modules
    bad = next(entry for entry in entries if entry.name == "bad")
    assert (bad.on, bad.plugins, bad.failures) == (False, [], [])
    assert bad.why == "named in statscache.plugins.disabled"
    assert idents(entries) == ["other"]


@pytest.mark.parametrize("key", ["enabled", "disabled"])
def test_a_name_that_is_not_installed_is_refused(key: str) -> None:
    """One line names the setting and the name, and lists those that there are."""
    with pytest.raises(Unusable) as refused:
        load_all(GOOD, point("Plain", "fine"), **{key: ("volum",)})
    message = str(refused.value)
    assert f"statscache.plugins.{key} names the plugin 'volum'" in message
    assert message.endswith("installed: fine, good")
    assert "\n" not in message


def test_a_name_in_both_settings_is_refused() -> None:
    """Nobody can tell which is meant."""
    with pytest.raises(
        Unusable, match=r"plugins\.enabled and statscache\.plugins\.disabled both name 'good'"
    ):
        load_all(GOOD, enabled=("good",), disabled=("good",))


@pytest.mark.parametrize("points", [(), ("number",), ("empty",), ("OffByDefault",)])
def test_nothing_to_run_is_refused(points: tuple[str, ...]) -> None:
    """Without a single plugin there is nothing to start for."""
    with pytest.raises(Unusable, match="no plugin loads") as refused:
        running(load_all(*map(point, points)))
    assert "\n" not in str(refused.value)


def test_nothing_but_disabled_plugins_is_refused() -> None:
    """So it is if all are switched off."""
    with pytest.raises(Unusable, match="no plugin loads"):
        running(load_all(GOOD, disabled=("good",)))


def test_entry_points_come_in_the_order_of_their_names() -> None:
    """The order of installation makes no difference to who gets an ident."""
    entries = load_all(point("Other", "b"), point("Plain", "a"))
    assert [entry.name for entry in entries] == ["a", "b"]


def test_the_installed_plugins_are_found() -> None:
    """Without any given, the entry points are those of all installed packages, ours first."""
    entries = load(settings(), {})
    ours = [entry for entry in entries if entry.source.startswith("statscache ")]
    assert {"volume", "releng", "pagure"} <= {entry.name for entry in ours}
    assert entries[: len(ours)] == ours
    assert not [entry.failures for entry in ours if entry.failures]
