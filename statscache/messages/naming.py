"""The users and packages that messages name, and their agents, wherever that is known from."""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from types import ModuleType
from typing import TYPE_CHECKING, Any

from statscache.errors import number_of, some_of
from statscache.messages import agents, headers, rules
from statscache.messages.schemas import Schemas

if TYPE_CHECKING:
    from statscache.messages.processors import Processors

log = logging.getLogger(__name__)

#: What the processors are part of.
FEDMSG_META = "fedmsg.meta"
#: Those of fedmsg itself, by their categories. They always load, and name the sender of such a message and nobody else.
BUILT_IN = {
    "announce": "fedmsg.meta.announce:AnnounceProcessor",
    "logger": "fedmsg.meta.logger:LoggerProcessor",
}
#: All topics that those may have.
BUILT_IN_TOPICS = re.compile(rf"\.({'|'.join(BUILT_IN)})(\.|$)")
#: So many processors that do not load are named in the log.
NAMED = 5


class Meta:
    """The users and packages that messages name: headers.py says who is asked, in which order, and why.

    agents.py says so of agents.

    The processors are loaded when the first message needs them, and where `fedmsg.meta` is imported already, as in the
    hub, at once. Where no package brings any, a message of fedmsg's own two is all that needs them. They also become
    `fedmsg.meta.processors`, for the plugins that call `fedmsg.meta.msg2usernames` themselves. Safe to call from any
    thread.

    :param config: the fedmsg configuration (fedmsg.d merged); any key may be absent
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._config = dict(config)
        self._schemas = Schemas()
        self._entries = sorted(entry_points(group=FEDMSG_META), key=lambda entry: (entry.name, entry.value))
        self._brought = any(entry.value not in BUILT_IN.values() for entry in self._entries)
        self._loading = threading.RLock()
        self._loaded: Processors | None = None
        if FEDMSG_META in sys.modules:
            self.load()
        else:
            sys.meta_path.insert(0, _Offer(self))

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The users that the message names."""
        named = "headers" in message and (headers.usernames(message) or self._schemas.usernames(message))
        return named or (self._processors(message) or rules).usernames(message)

    def packages(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The packages that the message names."""
        named = "headers" in message and (headers.packages(message) or self._schemas.packages(message))
        return named or (self._processors(message) or rules).packages(message)

    def agent(self, message: Mapping[str, Any]) -> str | None:
        """Who did what the message tells of, or None: agents.py says who is asked."""
        named = "headers" in message and (
            agents.usable(self._schemas.agent(message)) or agents.archived(message)
        )
        return named or (self._processors(message) or rules).agent(message)

    def load(self) -> Processors:
        """Return the processors, loaded if they are not yet: here alone is `fedmsg.meta` imported."""
        with self._loading:
            if self._loaded is None:
                from statscache.messages.processors import Processors  # not before they are needed

                self._loaded = Processors(self._config, self._entries)
        return self._loaded

    def _processors(self, message: Mapping[str, Any]) -> Processors | None:
        """Return those that are to be asked of a message; None if none of them can know it."""
        if self._loaded is None and (self._brought or BUILT_IN_TOPICS.search(message["topic"])):
            self.load()
            log.info("users and packages: %s", self.brief)
        return self._loaded

    @property
    def brief(self) -> str:
        """What is known so far, in a line that stays short however many there are; `statscache plugins` tells all."""
        if self._brought and self._loaded is None:
            return "; ".join([*self._schemas.brief, f"{self._count}, loaded once a message needs them"])
        failed = self._failed
        failures = f"{number_of(len(failed), 'processor')} failed: {some_of(sorted(failed), NAMED)}"
        return "; ".join([*self._schemas.brief, self._count, *self._covered, *[failures] * bool(failed)])

    def __str__(self) -> str:
        """One line on which processors are active, what our rules cover, and what failed or is not asked."""
        loaded = self.load() if self._brought else self._loaded
        names = f" ({', '.join(self._active)})" if self._active else ""
        parts = [*self._schemas.full, f"{self._count}{names}", *self._covered]
        if loaded and loaded.unasked:
            parts.append(f"not asked, to stay off the network: {', '.join(loaded.unasked)}")
        if self._failed:
            reasons = (f"{name} ({why})" for name, why in sorted(self._failed.items()))
            parts.append(f"failed: {', '.join(reasons)}")
        return "; ".join(parts)

    @property
    def _active(self) -> Sequence[str]:
        return self._loaded.active if self._loaded else [entry.name for entry in self._entries]

    @property
    def _failed(self) -> Mapping[str, str]:
        return self._loaded.failed if self._loaded else {}

    @property
    def _count(self) -> str:
        active = self._active
        return number_of(len(active), "fedmsg.meta processor") if active else "no fedmsg.meta processors"

    @property
    def _covered(self) -> list[str]:
        known = self._loaded.known if self._loaded else frozenset(self._active)
        covered = sorted(rules.CATEGORIES - known)
        return [f"the rules of statscache cover {', '.join(covered)}"] * bool(covered)


class _Later(Sequence[Any]):
    """The processors as `fedmsg.meta` has them: loaded when somebody looks at them."""

    def __init__(self, meta: Meta) -> None:
        self._meta = meta

    def __getitem__(self, index: Any) -> Any:
        return self._meta.load().all[index]

    def __len__(self) -> int:
        return len(self._meta.load().all)


class _Offer(MetaPathFinder):
    """Gives `fedmsg.meta` the processors whoever imports it, such as a plugin that asks it itself."""

    def __init__(self, meta: Meta) -> None:
        self._meta = meta

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return how to import `fedmsg.meta`; None for all else, which is not found here."""
        spec = PathFinder.find_spec(fullname, path) if fullname == FEDMSG_META else None
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def execute_and_offer(module: ModuleType) -> None:
                execute(module)
                vars(module)["processors"] = _Later(self._meta)

            spec.loader.exec_module = execute_and_offer  # type: ignore[method-assign]
        return spec
