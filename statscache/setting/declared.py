"""The settings: what there is to set, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from statscache.errors import Unusable
from statscache.setting import types
from statscache.setting.bots import BOTS, PATTERNS
from statscache.setting.keep import KEEP
from statscache.setting.setting import Setting, SettingType

URI = "statscache.sqlalchemy.uri"
URI_VARIABLE = "STATSCACHE_SQLALCHEMY_URI"
#: How long a bridge's copy is kept back if no setting says so.
LONGEST_WAIT_S = 10.0
T = TypeVar("T")


def _setting(key: str, kind: SettingType[T], default: Any, meaning: str) -> T:
    """Declare a field of `Settings` that is read from a setting with a default."""
    setting = Setting(key, kind, default, meaning)
    # Read when it is used: an error in it then names the setting, and does not keep the module from loading.
    return field(default_factory=lambda: kind.read(default), metadata={"setting": setting})


@dataclass(frozen=True)
class Settings:
    """The settings as the program uses them; times are in seconds, sizes in bytes.

    Each is declared here and nowhere else: its key, what it may be, its default as the configuration would
    have it, and its meaning.
    """

    uri: str = field(
        metadata={
            "setting": Setting(
                URI,
                types.URL_TEXT,
                None,
                f"the database: a PostgreSQL URL, or embedded:DIRECTORY; the environment variable {URI_VARIABLE} "
                "overrides it",
            )
        }
    )
    frequency: float = _setting(
        "statscache.producer.frequency", types.SECONDS, 1.0, "how often counts are written to the database"
    )
    enabled: frozenset[str] = _setting(
        "statscache.plugins.enabled",
        types.NAMES,
        (),
        "plugins to run that are off by default, by the names of their entry points",
    )
    disabled: frozenset[str] = _setting(
        "statscache.plugins.disabled",
        types.NAMES,
        (),
        "plugins not to run, by the names of their entry points",
    )
    bots: tuple[str, ...] = _setting(
        "statscache.bots",
        PATTERNS,
        tuple(BOTS),
        "the accounts that are bots, as patterns of names: figures about people leave them out, also those of the past",
    )
    database_wait: float = _setting(
        "statscache.database.wait", types.SECONDS, 30.0, "how long a start waits for a database that is away"
    )
    consumer_enabled: bool = _setting(
        "statscache.consumer.enabled", types.FLAG, False, "whether the hub runs statscache at all"
    )
    spool_directory: Path = _setting(
        "statscache.spool.directory",
        types.DIRECTORY,
        "~/.local/state/statscache/spool",
        "where accepted messages are kept until they are committed",
    )
    spool_limit: int = _setting(
        "statscache.spool.limit",
        types.BYTES,
        "4 GiB",
        "how large a daemon's spool may grow: then messages are lost",
    )
    spool_tail: float = _setting(
        "statscache.spool.tail",
        types.SECONDS_OR_NONE,
        900.0,
        "how long the spool keeps what is committed, to be counted again if the database loses it, as in a failover",
    )
    memory_limit: int = _setting(
        "statscache.memory.limit",
        types.BYTES,
        "64 MiB",
        "how many bytes of accepted messages are held in memory; past it messages only go to the spool",
    )
    ledger_keep: timedelta = _setting(
        "statscache.ledger.keep", types.DAYS, 8, "how long the ledger remembers a message, to count it once"
    )
    keep: Mapping[str, timedelta] = _setting(
        "statscache.keep",
        KEEP,
        {},
        "how long rows are kept, by the length of a table's windows or the ident of a plugin, which wins; what names "
        "no table is kept for ever",
    )
    plugin_budget: float = _setting(
        "statscache.plugin.budget", types.BUDGET, 10.0, "how long a plugin may take in a flush, without SQL"
    )
    plugin_hang: float = _setting(
        "statscache.plugin.hang",
        types.SECONDS,
        120.0,
        "how long one call of a plugin may take before the daemon restarts without the plugin",
    )
    forget_key: Path = _setting(
        "statscache.forget.key",
        types.FILE,
        "~/.local/state/statscache/forget.key",
        "the file with the key by which the names of people who are forgotten are known; `statscache forget` makes it",
    )
    epoch: datetime | None = _setting(
        "statscache.consumer.epoch",
        types.INSTANT,
        None,
        "the instant from which on history is wanted; None for the first start on this database",
    )
    lateness: float = _setting(
        "statscache.coverage.lateness",
        types.SECONDS,
        300.0,
        "how late a message may come; younger time is not reported as complete",
    )
    buses_alike: bool = _setting(
        "statscache.buses.alike",
        types.FLAG,
        False,
        "whether fedmsg and AMQP carry the same messages, so that a time is complete when one of them has been heard",
    )
    bridges_wait: float | None = _setting(
        "statscache.bridges.wait",
        types.WAIT,
        None,
        "how long a bridge's copy of a message is kept back until the original comes over the other bus, where both "
        "are listened to; 0 for not at all; None for 10 s, or half of statscache.coverage.lateness if that is less",
    )
    datagrepper_endpoint: str = _setting(
        "statscache.datagrepper.endpoint",
        types.ENDPOINT,
        "",
        "the datagrepper to fill gaps from, such as https://apps.fedoraproject.org/datagrepper; '' for none",
    )
    datagrepper_connections: int = _setting(
        "statscache.datagrepper.connections", types.CONNECTIONS, 4, "how many requests to it run at once"
    )
    amqp_config: str = _setting(
        "statscache.amqp.config",
        types.PATH_OR_NONE,
        "",
        "the configuration of fedora-messaging that `statscache consume` reads; '' for where that project has it",
    )
    amqp_queues: frozenset[str] = _setting(
        "statscache.amqp.queues",
        types.QUEUES,
        (),
        "the queues that `statscache consume` takes messages from; none for all that are configured there",
    )
    amqp_prefetch: int = _setting(
        "statscache.amqp.prefetch",
        types.PREFETCH,
        10_000,
        "how many messages of each queue may be under way: taken and not yet committed",
    )
    amqp_bounded: bool = _setting(
        "statscache.amqp.bounded",
        types.FLAG,
        True,
        "whether a queue may lose messages while `statscache consume` is away, by a limit or an expiry, also of a "
        "policy, or to other consumers; if not, the time away is covered",
    )
    monitoring_address: str = _setting(
        "statscache.monitoring.address",
        types.ADDRESS_OR_NONE,
        "127.0.0.1:9108",
        "the address of the health endpoints /live, /ready and /metrics; '' for none",
    )
    web_address: tuple[str, int] = _setting(
        "statscache.web.address",
        types.ADDRESS,
        "127.0.0.1:8080",
        "the address of `statscache serve`; other machines reach it only if you change this",
    )
    web_rate: float = _setting(
        "statscache.web.rate",
        types.RATE,
        100.0,
        "how many database queries one client of `statscache serve` may cause; unchanged answers are free",
    )
    web_root_path: str = _setting(
        "statscache.web.root_path",
        types.PREFIX_PATH,
        "",
        "the path under which a proxy shows `statscache serve`, such as /statistics; '' for none",
    )
    web_proxies: tuple[str, ...] = _setting(
        "statscache.web.proxies",
        types.PROXIES,
        ("127.0.0.1", "::1"),
        "the addresses and networks of proxies whose X-Forwarded headers `statscache serve` believes",
    )
    #: What the URL was read from: the setting's key, or the name of the variable in the environment.
    uri_name: str = URI

    @property
    def embedded(self) -> str | None:
        """The directory of the embedded database, None if the database is another one."""
        return self.uri.removeprefix(types.EMBEDDED) if self.uri.startswith(types.EMBEDDED) else None

    @property
    def kept_back_for(self) -> float:
        """How long a bridge's copy is kept back, in seconds; 0 for not at all.

        :raises Unusable: if an original could then come when its time is complete already
        """
        if self.bridges_wait is None:
            return min(LONGEST_WAIT_S, self.lateness / 2)
        if self.bridges_wait >= self.lateness:
            raise Unusable(
                f"statscache.bridges.wait is {self.bridges_wait:g} s and must be less than "
                f"statscache.coverage.lateness, which is {self.lateness:g} s: correct one of them in fedmsg.d"
            )
        return self.bridges_wait

    @property
    def spools(self) -> Path:
        """The directory of spools. Only who uses it needs the home directory in which it is by default.

        :raises Unusable: if it is in a home directory, and the user has none
        """
        try:
            return self.spool_directory.expanduser()
        except RuntimeError:
            raise Unusable(
                f"statscache.spool.directory is {self.spool_directory}, but this user has no home directory (no HOME "
                "in the environment, no entry in the password file): set the directory in fedmsg.d"
            ) from None
