"""All that is played, and what of it is chosen by name."""

from __future__ import annotations

from typing import Any

from tests.system.torture import broker_faults, faults, forgetting, hardships, keeping, upgrading
from tests.system.torture.broker import SHARES
from tests.system.torture.failover import fail_over
from tests.system.torture.restore import restore_data, restore_each, restore_whole
from tests.system.torture.scenario import Scenario

VOLUMES = ["volume", "volume_by_category", "volume_by_topic", "volume_by_user", "volume_by_package"]
DURATIONS = ["koji_builds", "copr_builds", "bodhi_updates", "pagure_requests_and_issues", "pungi_composes"]
OTHERS = ["releng", "pagure", "pagure_project", "pagure_users", "notes", *DURATIONS]
#: What turns some plugins off, and the others on.
WITHOUT_VOLUMES = {"statscache.plugins.disabled": VOLUMES, "statscache.plugins.enabled": []}
WITHOUT_OTHERS = {"statscache.plugins.disabled": OTHERS}
#: So little room that an outage of seconds fills it.
CRAMPED = {"statscache.spool.limit": 400_000, "statscache.memory.limit": 100_000}
AWAY = {faults.shut: 2, faults.crash_in_commit: 2, faults.swallow_answer: 2, faults.fill_disk: 1}
#: How long in seconds what is committed can be taken back: longer than a failover or a restore lasts.
TAIL = {"statscache.spool.tail": 120}
FAILOVER: dict[str, Any] = {
    "hub_faults": {},
    "database_faults": {fail_over: 1},
    "settings": TAIL,
    "replicated": True,
    "forgets": True,
}
RESTORE: dict[str, Any] = {
    "hub_faults": {},
    "database_faults": {restore_whole: 1, restore_each: 1, restore_data: 1},
    "settings": TAIL,
    "forgets": True,
    "deadlocks": True,
}
#: What is done to a database while commands are interrupted, which stop the server themselves.
BESIDE_COMMANDS = {
    **{
        faults.swallow_answer: 2,
        faults.swallow_commit: 1,
        faults.delay_commit: 2,
        faults.shut: 1,
        faults.cut: 1,
    },
    **{faults.stall: 1, faults.slow: 1, faults.cancel: 1, faults.sever: 1, faults.lock: 1},
}
#: Commands take seconds to start.
PACE = 0.4
KEEP: dict[str, Any] = {
    "pace": PACE,
    "settings": keeping.settings(keeping.KEEP),
    "steps": keeping.STEPS,
    "hub_faults": keeping.DAEMONS,
    "command_faults": keeping.COMMANDS,
    "database_faults": BESIDE_COMMANDS,
    "concludes": keeping.conclude,
    "wrong": keeping.wrong,
}
CLOCK: dict[str, Any] = {"database_faults": {}, "sets_clocks": True}
UNREADABLE: dict[faults.HubFault, int] = {hardships.fail_reading: 2, hardships.hide_segments: 1}
DAMAGE: dict[faults.HubFault, int] = {hardships.flip_byte: 2, hardships.remove_spool: 1}
FEW: dict[faults.HubFault, int] = {hardships.take_descriptors: 1}
#: Of queues that lose nothing, so that the time is covered in which daemons are dead.
KEEPING = {"statscache.amqp.bounded": False}
BROKER: dict[str, Any] = {"group": "broker", "hubs": ()}
BOTH: dict[str, Any] = {"group": "broker", "consumers": ("statscache",)}
#: The queues that `statscache amqp-topology` makes for four daemons.
SHARED = tuple(f"{SHARES}-{number}" for number in range(1, 5))
PURGED: dict[str, Any] = {
    **BROKER,
    "consumers": ("statscache",),
    "consumer_faults": broker_faults.PURGES,
    "broker_faults": broker_faults.PURGING,
    "database_faults": {},
    "settings": {"statscache.amqp.prefetch": 100},
    "purges": True,
}

FORGET: dict[str, Any] = {
    "group": "forget",
    "pace": PACE,
    "hubs": ({}, {}),
    "odd": True,
    "names": True,
    "steps": forgetting.STEPS,
    "hub_faults": forgetting.DAEMONS,
    "command_faults": forgetting.COMMANDS,
    "database_faults": BESIDE_COMMANDS,
    "concludes": forgetting.conclude,
    "wrong": forgetting.wrong,
}
UPGRADE: dict[str, Any] = {
    "group": "upgrade",
    "pace": PACE,
    "hubs": ({}, {}, {}),
    "upgrades": True,
    "hub_faults": upgrading.HUB,
    "command_faults": upgrading.COMMANDS,
    "database_faults": BESIDE_COMMANDS,
    "concludes": upgrading.conclude,
    "wrong": upgrading.wrong,
}

SCENARIOS = (
    Scenario("one daemon"),
    Scenario("two daemons", hubs=({}, {})),
    Scenario("messages that break plugins", odd=True),
    Scenario("two daemons with different plugins", hubs=(WITHOUT_OTHERS, WITHOUT_VOLUMES), odd=True),
    Scenario("plugins that join later", hubs=(WITHOUT_OTHERS, {}), later=1),
    Scenario("plugins of statscache 0.0.4", legacy=True, odd=True),
    Scenario("no room in the spool", settings=CRAMPED, database_faults=AWAY),
    Scenario("old rows are dropped", group="keep", hubs=({}, {}), **KEEP),
    Scenario("people are forgotten", **FORGET),
    Scenario("people are forgotten, and spools are kept", settings=TAIL, **FORGET),
    Scenario("tables are upgraded", **UPGRADE),
    Scenario("failover of one daemon", group="failover", **FAILOVER),
    Scenario("failover of two daemons", group="failover", hubs=({}, {}), **FAILOVER),
    Scenario("restore", group="restore", hubs=({}, {}), **RESTORE),
    Scenario("pooler", group="pooler", hubs=({}, {}), pooled=True),
    Scenario("clock jumps", group="clock", hub_faults={hardships.set_clock: 1}, **CLOCK),
    Scenario("unreadable spool", group="spool", hub_faults=UNREADABLE, database_faults={}),
    Scenario("damaged spool", group="damage", hub_faults=DAMAGE, database_faults={}, damages=True),
    Scenario("no descriptors", group="descriptors", hub_faults=FEW, database_faults={}),
    Scenario("broker", consumers=("statscache",), settings=KEEPING, **BROKER),
    Scenario("two daemons, two queues", consumers=("first", "second"), **BROKER),
    Scenario("purged queues", **PURGED),
    Scenario("both buses", **BOTH),
    Scenario("both buses, which are alike", settings={**KEEPING, "statscache.buses.alike": True}, **BOTH),
    Scenario("four daemons that share", consumers=SHARED, shares=True, settings=KEEPING, **BROKER),
)
#: What can be chosen by name.
GROUPS = tuple(dict.fromkeys(scenario.group for scenario in SCENARIOS))


def chosen(group: str | None) -> tuple[Scenario, ...]:
    """Return the scenarios of a group, or all."""
    return tuple(scenario for scenario in SCENARIOS if group in (None, scenario.group))
