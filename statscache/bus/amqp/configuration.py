"""What fedora-messaging's own configuration says of the broker, so that an operator reuses the file that is there.

The keys, their defaults and where the file lies are those of fedora-messaging 3
(https://fedora-messaging.readthedocs.io/en/stable/user-guide/configuration.html). What only its own consumers need,
such as `callback`, `log_config` or `qos`, is not looked at.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from statscache.errors import Unusable

CONFIG = "statscache.amqp.config"
VARIABLE = "FEDORA_MESSAGING_CONF"
USUAL = Path("/etc/fedora-messaging/config.toml")
#: Arguments by which a queue loses messages.
LIMITS = {"x-max-length", "x-max-length-bytes", "x-message-ttl", "x-expires"}
#: The name that stands for a queue which the broker is to name, and which goes with the connection.
SERVER_NAMED = ""


@dataclass(frozen=True)
class Queue:
    """A queue to consume from.

    :param given: whether it is only to be there, and nothing else is known of it
    """

    name: str
    durable: bool = False
    auto_delete: bool = True
    exclusive: bool = True
    arguments: Mapping[str, Any] = field(default_factory=dict)
    given: bool = False


@dataclass(frozen=True)
class Exchange:
    """An exchange that messages are published to."""

    name: str
    type: str = "topic"
    durable: bool = True
    auto_delete: bool = False
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Binding:
    """What of an exchange goes into a queue."""

    queue: str
    exchange: str
    routing_keys: tuple[str, ...]


@dataclass(frozen=True)
class Tls:
    """The files with the certificates of the authority and of this client, and with its key; None for none."""

    ca_cert: Path | None = None
    certfile: Path | None = None
    keyfile: Path | None = None


@dataclass(frozen=True)
class AmqpConfiguration:
    """How to reach the broker, and what to consume.

    :param source: what it was read from, for people
    :param passive: whether exchanges and queues are not made, but must be there
    """

    source: str
    url: str
    tls: Tls
    passive: bool
    exchanges: tuple[Exchange, ...]
    queues: tuple[Queue, ...]
    bindings: tuple[Binding, ...]
    client_properties: Mapping[str, Any]

    def only(self, names: frozenset[str]) -> tuple[Queue, ...]:
        """Return the queues of these names, all that are configured for none; others are to be there already."""
        known = {queue.name: queue for queue in self.queues}
        chosen = [known.get(name) or Queue(name, exclusive=False, given=True) for name in sorted(names)]
        return tuple(chosen) or self.queues


def check_keeping(queues: Iterable[Queue]) -> None:
    """Check that queues may well keep all that is sent while nobody consumes them; policies cannot be seen.

    :raises Unusable: if one cannot
    """
    for queue in queues:
        lasts = queue.given or (queue.name and queue.durable and not (queue.auto_delete or queue.exclusive))
        limits = sorted(LIMITS & queue.arguments.keys())
        if limits or not lasts:
            fault = f"has {limits[0]}" if limits else "goes when nobody consumes it"
            raise Unusable(
                f"statscache.amqp.bounded is False, but the queue {queue.name or 'without a name'} {fault}: have it "
                "last without a limit (durable, not auto_delete, not exclusive), or leave statscache.amqp.bounded True"
            )


def read_configuration(path: str, environ: Mapping[str, str] = os.environ) -> AmqpConfiguration:
    """Read the configuration of fedora-messaging.

    :param path: of its file; where it is empty the file is found as fedora-messaging finds it
    :raises Unusable: if the file cannot be read or says what cannot be used
    """
    if path:
        return _read(Path(path), f"{CONFIG} names {path}")
    if environ.get(VARIABLE):
        return _read(Path(environ[VARIABLE]), f"{VARIABLE} names {environ[VARIABLE]}")
    if not USUAL.exists():
        return _parse({}, f"fedora-messaging's defaults, as there is no {USUAL}")
    return _read(USUAL, str(USUAL))


def _read(path: Path, name: str) -> AmqpConfiguration:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise Unusable(f"{name}, which cannot be read ({error.strerror}): name a file that can be") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Unusable(f"{name}, which is not TOML ({error}): correct it") from None
    try:
        return _parse({key.lower(): value for key, value in found.items()}, str(path))
    except ValueError as error:
        raise Unusable(f"{path}: {error}: correct it there") from None


def _parse(given: Mapping[str, Any], source: str) -> AmqpConfiguration:
    table = _Table(given, "")
    url = table.read("amqp_url", str, "amqp://")
    if not _is_url(url):
        raise ValueError(
            "amqp_url must be a URL such as amqps://user@host/%2Fvhost, in which what is special in a name or a "
            "password is written like that"
        )
    queues = tuple(_queue(*named) for named in table.tables("queues")) or (Queue(SERVER_NAMED),)
    if "exchanges" in given:
        exchanges = tuple(_exchange(*named) for named in table.tables("exchanges"))
    else:
        exchanges = (Exchange("amq.topic"),)
    return AmqpConfiguration(
        source=source,
        url=url,
        tls=_tls(_Table(table.read("tls", dict, {}), "tls.")),
        passive=table.read("passive_declares", bool, False),
        exchanges=exchanges,
        queues=queues,
        bindings=tuple(_bindings(table.read("bindings", list, None))),
        client_properties=table.read("client_properties", dict, {}),
    )


def _is_url(url: str) -> bool:
    """Return whether it can be read as a URL; why not is not to be told, as Python quotes a part of the password."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is looked at only when it is asked for
    except ValueError:
        return False
    return parts.scheme in ("amqp", "amqps")


class _Table:
    """A table of the file, whose values are checked as they are read."""

    def __init__(self, given: Mapping[str, Any], name: str) -> None:
        self._given = given
        self._name = name

    def read(self, key: str, kind: type, default: Any) -> Any:
        """Return a value, or its default.

        :raises ValueError: if it is of another kind
        """
        if key not in self._given:
            return default
        value = self._given[key]
        if not isinstance(value, kind):
            raise ValueError(f"{self._name}{key} must be {NAMES[kind]}, not {value!r}")
        return value

    def tables(self, key: str) -> Iterator[tuple[str, _Table]]:
        """Yield the tables in a table, each with its name."""
        for name, value in self.read(key, dict, {}).items():
            if not isinstance(value, dict):
                raise ValueError(f"{self._name}{key}.{name} must be a table, not {value!r}")
            yield name, _Table(value, f"{self._name}{key}.{name}.")


NAMES = {str: "a text", bool: "true or false", dict: "a table", list: "a list"}


def _queue(name: str, table: _Table) -> Queue:
    return Queue(
        name,
        table.read("durable", bool, False),
        table.read("auto_delete", bool, True),
        table.read("exclusive", bool, True),
        table.read("arguments", dict, {}),
    )


def _exchange(name: str, table: _Table) -> Exchange:
    return Exchange(
        name,
        table.read("type", str, "topic"),
        table.read("durable", bool, True),
        table.read("auto_delete", bool, False),
        table.read("arguments", dict, {}),
    )


def _tls(table: _Table) -> Tls:
    names = {key: table.read(key, str, "") for key in ("ca_cert", "certfile", "keyfile")}
    if bool(names["certfile"]) != bool(names["keyfile"]):
        raise ValueError("tls.certfile and tls.keyfile belong together, and one of them is missing")
    return Tls(**{key: Path(name) if name else None for key, name in names.items()})


def _bindings(given: list[Any] | None) -> Iterator[Binding]:
    if given is None:
        yield Binding(SERVER_NAMED, "amq.topic", ("#",))
    for number, binding in enumerate(given or (), start=1):
        if not isinstance(binding, dict):
            raise ValueError(f"binding {number} must be a table, not {binding!r}")
        table = _Table(binding, f"of binding {number}, ")
        keys = table.read("routing_keys", list, None)
        if not isinstance(binding.get("exchange"), str) or keys is None:
            raise ValueError(f"binding {number} must have an exchange, which is a text, and routing_keys")
        if not all(isinstance(key, str) for key in keys):
            raise ValueError(f"of binding {number}, routing_keys must be a list of texts, not {keys!r}")
        yield Binding(table.read("queue", str, SERVER_NAMED), binding["exchange"], tuple(keys))
