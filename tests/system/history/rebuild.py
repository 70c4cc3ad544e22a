"""A rebuild by a command that is killed the first time, in the same haste as the daemons."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.system.torture.commands import Commands

SCRIPT = "from tests.system.history.launcher import command; command()"
#: An archive that fails may have to be asked again, by a command that is run again.
TRIES = 5


def count_again(directory: Path, settings: Mapping[str, Any], since: int, kill_after: float) -> None:
    """Count all since a second again that is over.

    :param directory: where the command runs
    :param kill_after: after how many seconds it is killed the first time
    :raises AssertionError: if it fails again and again
    """
    commands = Commands(directory, settings, script=SCRIPT)
    begin = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    arguments = "backfill", "--rebuild", "--since", begin
    commands.run(*arguments, kill_after=kill_after)
    failures = []
    while (done := commands.run(*arguments)).returncode:
        failures.append(done.stderr[-300:])
        if len(failures) == TRIES:
            raise AssertionError(f"the rebuild fails: {failures}")
