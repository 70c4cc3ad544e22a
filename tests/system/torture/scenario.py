"""What can be played."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.system.torture import broker_faults, faults

if TYPE_CHECKING:
    from tests.system.torture.stage import Stage


def nothing(stage: Stage) -> None:
    """Do nothing."""


def nothing_wrong(stage: Stage) -> Iterable[str]:
    """Find nothing wrong."""
    return ()


@dataclass(frozen=True)
class Scenario:
    """What is played.

    :param hubs: for each hub the settings in which it differs
    :param consumers: for each daemon on AMQP the queue that it consumes
    :param later: so many of the last hubs join when half is sent
    :param hub_faults: what is done to hubs, with weights
    :param consumer_faults: the same for daemons on AMQP
    :param database_faults: the same for the database
    :param broker_faults: the same for the broker
    :param names: whether people are named who are to be forgotten
    :param upgrades: whether daemons of the next version come, as which all commands are
    :param steps: to which daemons come in it beside those of all others, to be killed there
    :param command_faults: what is done by commands that are interrupted, with weights
    :param concludes: is called when the faults are over, and all runs
    :param wrong: looks for what is wrong beside cells and what is called complete, whenever those are compared
    :param group: the name of a group of scenarios that it is one of
    :param pace: by how much faster messages are sent than in others, so that more or fewer faults come meanwhile
    :param odd: whether messages come that plugins cannot digest
    :param legacy: whether plugins of statscache 0.0.4 run beside ours
    :param replicated: whether the database has a standby, which takes its place again and again
    :param forgets: whether the database may lose what it had committed
    :param damages: whether what was accepted may be lost, as long as the tables say so
    :param pooled: whether the hubs reach the database through a pooler in transaction mode
    :param deadlocks: whether what the suite itself does to the database can end in one
    :param shares: whether the queues share the messages, and do not get all of them each
    :param purges: whether queues may lose what was sent, as long as no such time is called complete
    :param sets_clocks: whether the clocks of the hubs are set
    :param settings: settings of all hubs
    """

    name: str
    hubs: tuple[dict[str, Any], ...] = ({},)
    consumers: tuple[str, ...] = ()
    later: int = 0
    hub_faults: dict[faults.HubFault, int] = field(default_factory=lambda: faults.HUB)
    consumer_faults: dict[faults.HubFault, int] = field(default_factory=lambda: broker_faults.CONSUMER)
    database_faults: dict[faults.DatabaseFault, int] = field(default_factory=lambda: faults.DATABASE)
    broker_faults: dict[broker_faults.BrokerFault, int] = field(default_factory=lambda: broker_faults.BROKER)
    names: bool = False
    upgrades: bool = False
    steps: tuple[str, ...] = ()
    command_faults: dict[faults.DatabaseFault, int] = field(default_factory=dict)
    concludes: Callable[[Stage], None] = nothing
    wrong: Callable[[Stage], Iterable[str]] = nothing_wrong
    group: str = "mix"
    pace: float = 1.0
    odd: bool = False
    legacy: bool = False
    replicated: bool = False
    forgets: bool = False
    damages: bool = False
    pooled: bool = False
    deadlocks: bool = False
    shares: bool = False
    purges: bool = False
    sets_clocks: bool = False
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def keeps_spools(self) -> bool:
        """Whether the spools of hubs that have ended stay for a while."""
        return bool(self.settings.get("statscache.spool.tail"))
