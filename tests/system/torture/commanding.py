"""Runs a statscache command that can be told to die or freeze at a step, as a hub can.

usage: python -m tests.system.torture.commanding COMMAND…

TORTURE_DIRECTORY is where the order is read from.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.system.torture import launcher
from tests.system.torture.orders import Orders

#: The steps of each command, beside its commits.
STEPS: dict[str, dict[str, launcher.Home]] = {
    "prune": {
        "drop": ("cli.prune", None, "drop_some"),
        "keep again": ("upkeep.retention.restore", None, "keep_again"),
        "uncount": ("upkeep.retention.restore", None, "uncount"),
        "tell": ("upkeep.retention.restore", None, "tell_of_coverage"),
    },
    "upgrade": {
        "begin": ("schema.migrations.upgrade", None, "begin"),
        "finish": ("schema.migrations.upgrade", "Upgrade", "_finish"),
        "apply": ("schema.migrations.scripts", "Scripts", "apply"),
        "rows": ("schema.migrations.online", "Online", "rows"),
        "batch": ("schema.migrations.online", "Online", "_batch"),
        "index": ("schema.migrations.online", "Online", "index"),
        "quick": ("schema.migrations.online", "Online", "quick"),
        "patient": ("schema.migrations.online", "Online", "patient"),
    },
    "forget": {
        "find": ("forgetting.forgetting", "Forgetting", "_naming_somebody"),
        "key": ("forgetting.forgetting", None, "make_key"),
        "enter": ("forgetting.forgetting", "Forgetting", "_enter"),
        "replace": ("forgetting.forgetting", None, "_replaced"),
        "column": ("forgetting.columns", None, "_replace"),
        "move": ("forgetting.messages", None, "_move_failures"),
        "analyze": ("forgetting.forgetting", "Forgetting", "_analyze"),
        "clear spools": ("cli.forget", None, "clear_spools"),
        "clear dead": ("forgetting.spools", None, "_clear_dead"),
    },
}
#: The step of all commits of a command.
COMMIT = "any commit"


def steps_of(command: str) -> list[str]:
    """Return the steps to which a command comes, if there is something to do."""
    return [f"{when} {step}" for step in (*STEPS.get(command, {}), COMMIT) for when in ("before", "after")]


def main() -> None:
    """Run the command."""
    orders = Orders(Path(os.environ["TORTURE_DIRECTORY"]))
    orders.read()
    launcher.HASTE["cli.forget"] = {"PATIENCE_S": 6.0}
    launcher.STEPS.update(STEPS.get(sys.argv[1], {}))
    launcher.arm(orders, COMMIT)
    from statscache.cli import main as statscache

    statscache()


if __name__ == "__main__":
    main()
