"""Who and what a message is about, as the fedmsg.meta processors and our rules say.

To import it imports `fedmsg.meta`, which only naming.py does, and not before it is needed.
"""

import logging
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from importlib.metadata import EntryPoint
from typing import Any, NamedTuple

import fedmsg.meta
from fedmsg.meta.base import BaseProcessor
from fedmsg.meta.default import DefaultProcessor

from statscache.messages import agents, rules
from statscache.messages.answers import names_in, one_line_of
from statscache.messages.rule import category_of

log = logging.getLogger(__name__)

# What is never asked, because it would use the network: (entry point, method): why.
# Every usernames() and packages() of fedmsg_meta_fedora_infrastructure 0.31 was read for this.
NETWORK = {
    ("taskotron", "packages"): "asks bodhi over HTTP, without a time-out, for the builds of each update",
}
# The same for look-ups that processors share: (module, function): why. It is replaced where the module is
# loaded, since processors reach it by ways of their own: mailman by a configuration it loads itself.
FASSHIM = "fedmsg_meta_fedora_infrastructure.fasshim"
NETWORK_LOOKUPS = {
    (FASSHIM, "make_fas_cache"): "downloads all accounts from FAS, in 26 requests of up to 10 minutes each",
    (FASSHIM, "make_fasjson_cache"): "downloads all accounts from FASJSON, page by page",
}
#: What a processor is asked.
METHODS = ("handle_msg", "usernames", "packages", "agent")
# Settings that make processors look accounts up, which they get to see no more.
NETWORK_SETTINGS = frozenset({"fas_credentials", "fasjson", "fasjson_credentials"})


class _Candidate(NamedTuple):
    """A processor that may handle messages of a topic.

    own: those of METHODS that are not of fedmsg's base class, which looks at nothing but the topic to say whether it
        handles a message, and names nobody.
    """

    processor: Any
    own: frozenset[str]


class Processors:
    """The processors that load, and our rules after them.

    A processor belongs to the topics that its `handle_msg` accepts. The rules of statscache answer for those
    categories that no loaded processor is named after. A processor that raises names nobody.

    The processors found also become `fedmsg.meta.processors`. Safe to call from any thread once made.

    :param config: the fedmsg configuration (fedmsg.d merged); any key may be absent
    :param entries: the entry points of all that are installed
    """

    def __init__(self, config: Mapping[str, Any], entries: Iterable[EntryPoint]) -> None:
        self._config = {**_topic_prefix(config), **config}
        for setting in NETWORK_SETTINGS:
            self._config.pop(setting, None)
        #: The names of the entry points whose processors loaded.
        self.active: list[str] = []
        #: The others, each with a reason of one line.
        self.failed: dict[str, str] = {}
        self._processors = [found for entry in entries if (found := self._load(entry)) is not None]
        names = (str(getattr(processor, "__name__", "")).lower() for processor in self._processors)
        #: The categories that processors are named after.
        self.known = frozenset(names)
        #: What is not asked, to stay off the network.
        self.unasked = [f"{method} of {name}" for name, method in NETWORK if name in self.active]
        self._default = self._make_default()
        #: The processors in the order in which they are asked.
        self.all = [*self._processors, self._default]
        self._candidates = lru_cache(maxsize=4096)(self._find_candidates)
        self._logged: set[tuple[type, type]] = set()
        _cut_lookups()
        fedmsg.meta.processors = self.all

    def usernames(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The users that the message names."""
        return self._ask("usernames", message)

    def packages(self, message: Mapping[str, Any]) -> frozenset[str]:
        """The packages that the message names."""
        return self._ask("packages", message)

    def agent(self, message: Mapping[str, Any]) -> str | None:
        """Who did what the message tells of: by a processor that says so itself, else by our rules.

        fedmsg.meta has a way for all others, which takes any of the users that a message names: it is never used.
        """
        candidate = self._handling(message)
        if candidate is None or "agent" not in candidate.own:
            return rules.agent(message)
        return agents.usable(self._call(candidate.processor, "agent", message))

    def _load(self, entry: EntryPoint) -> Any:
        try:
            processor = entry.load()(fedmsg.meta._, **self._config)
            _check(processor)
        except Exception as error:  # noqa: BLE001 - one broken processor must not disable the others
            self.failed[entry.name] = one_line_of(error)
            return None
        for name, method in NETWORK:
            if name == entry.name:
                setattr(processor, method, _nothing)
        self.active.append(entry.name)
        return processor

    def _make_default(self) -> Any:
        """fedmsg's processor for what no other handles; it answers by our rules."""
        default = DefaultProcessor(fedmsg.meta._, **self._config)
        default.usernames = lambda message, **_: set(self._by_rules(rules.usernames, message))
        default.packages = lambda message, **_: set(self._by_rules(rules.packages, message))
        return default

    def _by_rules(
        self, rule: Callable[[Mapping[str, Any]], frozenset[str]], message: Mapping[str, Any]
    ) -> frozenset[str]:
        return frozenset() if category_of(message) in self.known else rule(message)

    def _ask(self, method: str, message: Mapping[str, Any]) -> frozenset[str]:
        candidate = self._handling(message)
        if candidate is None or method not in candidate.own:
            return frozenset()
        if candidate.processor is self._default:
            return self._by_rules(getattr(rules, method), message)
        return names_in(self._call(candidate.processor, method, message))

    def _handling(self, message: Mapping[str, Any]) -> _Candidate | None:
        """The first that handles the message; None where even the last does not."""
        for candidate in self._candidates(message["topic"]):
            its = "handle_msg" in candidate.own
            if not its or self._call(candidate.processor, "handle_msg", message) is not None:
                return candidate
        return None

    def _call(self, processor: Any, method: str, message: Mapping[str, Any]) -> Any:
        try:
            return getattr(processor, method)(message, **self._config)
        except Exception as error:  # noqa: BLE001 - processors expect shapes that messages need not have
            self._log_once(processor, method, message, error)
            return None

    def _find_candidates(self, topic: str) -> tuple[_Candidate, ...]:
        """Those that may handle messages of this topic, in order; at most the last is certain to."""
        found = []
        for processor in self._processors:
            candidate = _candidate(processor)
            if "handle_msg" in candidate.own:
                found.append(candidate)
            elif processor.handle_msg({"topic": topic}, **self._config) is not None:
                return (*found, candidate)
        return (*found, _candidate(self._default))

    def _log_once(self, processor: Any, method: str, message: Mapping[str, Any], error: Exception) -> None:
        """Once for each kind of error of a processor; the next thousand messages have the same."""
        kind = (type(processor), type(error))
        if kind not in self._logged:
            self._logged.add(kind)
            log.warning(
                "%s.%s of message %s raised %s: it names nobody (not logged again)",
                type(processor).__qualname__,
                method,
                message.get("msg_id"),
                one_line_of(error),
            )


def _topic_prefix(config: Mapping[str, Any]) -> dict[str, str]:
    """What fedmsg.config.load_config derives: the prefix, then one part for the environment."""
    prefix = config.get("topic_prefix", "org.fedoraproject")
    return {"topic_prefix_re": re.escape(prefix) + r"\.[^\W\d_]+"}


def _candidate(processor: Any) -> _Candidate:
    def its(method: str) -> Any:
        found = getattr(processor, method, getattr(BaseProcessor, method))
        return getattr(found, "__func__", found)

    own = frozenset(method for method in METHODS if its(method) is not getattr(BaseProcessor, method))
    return _Candidate(processor, own)


def _cut_lookups() -> None:
    for module, function in NETWORK_LOOKUPS:
        if module in sys.modules:
            setattr(sys.modules[module], function, lambda **_: {})


def _nothing(message: Mapping[str, Any], **_config: Any) -> set[str]:
    return set()


def _check(processor: Any) -> None:
    """Raise TypeError for what is not a processor."""
    methods = ("handle_msg", "usernames", "packages")
    if missing := [method for method in methods if not callable(getattr(processor, method, None))]:
        raise TypeError(f"{type(processor).__name__} is no message processor: it has no {', '.join(missing)}")
