"""From entry points to plugins."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from typing import Any

from statscache.errors import StatscacheError, Unusable, is_interrupt, sure_interrupts
from statscache.hosting.fitness import check, reason_of
from statscache.hosting.surroundings import kept
from statscache.plugins import BasePlugin, Schedule, Umbrella
from statscache.process.forks import FORKS
from statscache.settings import Settings

log = logging.getLogger(__name__)

GROUP = "statscache.plugin"


@dataclass
class Entry:
    """What became of one entry point.

    :param source: the distribution that has it, and its version
    :param why: the reason for its being on or off
    :param factories: for each plugin, what makes an instance of it
    :param plugins: an instance of each plugin, also of those that are off
    :param failures: a line for each plugin that could not be loaded
    """

    name: str
    source: str
    on: bool = True
    why: str = "by default"
    factories: list[Callable[[], BasePlugin]] = field(default_factory=list)
    plugins: list[BasePlugin] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def fail(self, what: str, error: BaseException) -> None:
        """Note and log that a plugin could not be loaded."""
        reason = f"{what}: {reason_of(error)}"
        self.failures.append(reason)
        log.error("the plugin %s of %s does not load: %s", self.name, self.source, reason)


@dataclass(frozen=True)
class Part:
    """A plugin as the daemon runs it: one that stands alone, or a part of an umbrella.

    :param make: makes a new instance, as after a restart
    """

    ident: str
    plugin: BasePlugin
    make: Callable[[], BasePlugin]


def load(
    settings: Settings, config: Mapping[str, Any], found: Iterable[EntryPoint] | None = None
) -> list[Entry]:
    """Load the plugins of all installed packages. One that fails to load is logged, and the others are loaded.

    :param config: the fedmsg configuration, which plugins get
    :param found: the entry points, those of the group ``statscache.plugin`` unless told otherwise
    :raises Unusable: if a setting names an entry point that there is not
    """
    FORKS.guard()
    with sure_interrupts(), kept():
        return _load(settings, config, found)


def _load(settings: Settings, config: Mapping[str, Any], found: Iterable[EntryPoint] | None) -> list[Entry]:
    points = sorted(entry_points(group=GROUP) if found is None else found, key=_order)
    _check_names(settings, {point.name for point in points})
    entries = [Entry(point.name, _source(point)) for point in points]
    idents: dict[str, str] = {}
    for point, entry in zip(points, entries, strict=True):
        _decide(entry, settings)
        classes = _classes(point, entry) if entry.on else []
        _decide_default(entry, settings, classes)
        for plugin_class in classes:
            _add(entry, plugin_class, config, idents)
    return entries


def running(entries: Iterable[Entry]) -> list[Part]:
    """Return the plugins that are on, each part of an umbrella as one of its own.

    :raises Unusable: if there are none
    """
    parts = [part for entry in entries if entry.on for part in _parts(entry)]
    if not parts:
        raise Unusable(
            "no plugin loads: install a package that has some, or change statscache.plugins.enabled and "
            "statscache.plugins.disabled in fedmsg.d; `statscache plugins` says what is wrong with each"
        )
    return parts


def find_plugin(entries: Iterable[Entry], ident: str) -> BasePlugin:
    """Return the plugin with that ident, be it on or off; a part of an umbrella has one, too.

    :raises StatscacheError: if there is none
    """
    entries = sorted(entries, key=lambda entry: entry.on)  # of two with one ident, that which is on
    known = {plugin.ident: plugin for entry in entries for plugin in entry.plugins}
    if found := {**{part.ident: part.plugin for entry in entries for part in _parts(entry)}, **known}.get(
        ident
    ):
        return found
    close = difflib.get_close_matches(ident, known, n=3) or sorted(known)
    raise StatscacheError(f"there is no plugin {ident!r}: try {', '.join(close)}")


def check_names(settings: Settings) -> None:
    """Check that what settings name is installed, without loading it.

    :raises Unusable: if it is not
    """
    _check_names(settings, {point.name for point in entry_points(group=GROUP)})


def _order(point: EntryPoint) -> tuple[bool, str, str]:
    """Our own come first, so that no other package can take an ident of theirs."""
    name, _ = _known_as(point.dist) if point.dist else ("", "")
    return name != "statscache", name, point.name


def _source(point: EntryPoint) -> str:
    return " ".join(_known_as(point.dist)) if point.dist else point.value


@lru_cache(maxsize=32)  # each of them reads the whole of the package's description, each time
def _known_as(distribution: Distribution) -> tuple[str, str]:
    """Return the name and the version of a distribution."""
    return distribution.name, distribution.version


def _check_names(settings: Settings, known: set[str]) -> None:
    for key, names in (("enabled", settings.enabled), ("disabled", settings.disabled)):
        for name in sorted(names - known):
            raise Unusable(
                f"statscache.plugins.{key} names the plugin {name!r}, which is not installed: "
                f"correct it in fedmsg.d; installed: {', '.join(sorted(known)) or 'none'}"
            )
    for name in sorted(settings.enabled & settings.disabled):
        raise Unusable(
            f"statscache.plugins.enabled and statscache.plugins.disabled both name {name!r}: "
            "remove it from one of them in fedmsg.d"
        )


def _decide(entry: Entry, settings: Settings) -> None:
    if entry.name in settings.enabled:
        entry.why = "named in statscache.plugins.enabled"
    if entry.name in settings.disabled:
        entry.on, entry.why = False, "named in statscache.plugins.disabled"


def _decide_default(entry: Entry, settings: Settings, classes: Iterable[Any]) -> None:
    """Turn the entry off if a class of it is off by default and no setting names the entry."""
    defaults = [_is_on_by_default(plugin_class) for plugin_class in classes]
    if not all(defaults) and entry.name not in settings.enabled:
        entry.on, entry.why = False, "by default; name it in statscache.plugins.enabled"


def _is_on_by_default(plugin_class: Any) -> bool:
    try:
        return bool(getattr(plugin_class, "enabled_by_default", True))
    except BaseException as error:
        if is_interrupt(error):
            raise
        return True  # what else is wrong with it is told when an instance is made


def _classes(point: EntryPoint, entry: Entry) -> list[Any]:
    try:
        loaded = point.load()
        return [loaded] if isinstance(loaded, type) else list(loaded)
    except BaseException as error:
        if is_interrupt(error):
            raise
        entry.fail(point.value, error)  # whatever is wrong with one package, the others run
        return []
    finally:
        FORKS.end_child()


def _add(entry: Entry, plugin_class: Any, config: Mapping[str, Any], idents: dict[str, str]) -> None:
    """Make an instance of the plugin, unless something is wrong with it."""
    try:
        make = _maker(plugin_class, config)
        plugin = make()
        check(plugin)
        if entry.on:
            _claim(plugin.ident, entry, idents)
    except BaseException as error:
        if is_interrupt(error):
            raise
        entry.fail(_name_of(plugin_class), error)  # whatever is wrong with one plugin, the others run
    else:
        entry.plugins.append(plugin)
        entry.factories.append(make)
    finally:
        FORKS.end_child()


def _name_of(plugin_class: Any) -> str:
    return plugin_class.__qualname__ if isinstance(plugin_class, type) else type(plugin_class).__qualname__


def _maker(plugin_class: Any, config: Mapping[str, Any]) -> Callable[[], BasePlugin]:
    if not (isinstance(plugin_class, type) and issubclass(plugin_class, BasePlugin)):
        raise TypeError(f"{plugin_class!r} is not a subclass of statscache.plugins.BasePlugin")
    schedule = None if plugin_class.interval is None else Schedule(plugin_class.interval)

    def make() -> BasePlugin:
        try:
            plugin: BasePlugin = plugin_class(schedule, config)
        finally:
            FORKS.end_child()
        return plugin

    return make


def _claim(ident: str, entry: Entry, idents: dict[str, str]) -> None:
    """Note whose the ident is, so that no other plugin that runs has it."""
    if ident in idents:
        raise ValueError(f"its ident {ident} is taken by the plugin {idents[ident]}: rename it")
    idents[ident] = f"{entry.name} of {entry.source}"


def _parts(entry: Entry) -> Iterator[Part]:
    for plugin, make in zip(entry.plugins, entry.factories, strict=True):
        if isinstance(plugin, Umbrella):
            for index, part in enumerate(plugin.parts):
                yield Part(f"{plugin.ident}/{part.ident}", part, _part_maker(make, index))
        else:
            yield Part(plugin.ident, plugin, make)


def _part_maker(make: Callable[[], Any], index: int) -> Callable[[], BasePlugin]:
    def make_part() -> BasePlugin:
        part: BasePlugin = make().parts[index]
        return part

    return make_part
