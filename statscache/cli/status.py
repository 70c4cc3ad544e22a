"""`statscache status`: the state of the daemon."""

from __future__ import annotations

import logging
import sys
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from statscache.cli.disk import Disk, look_at_disk, show_disk
from statscache.cli.listing import Listing
from statscache.cli.terminal import (
    cell,
    console,
    json_option,
    one_line,
    print_json,
    show_listing,
    size_of,
    styled,
)
from statscache.configuration import fedmsg_config
from statscache.errors import number_of
from statscache.health.state import PluginStatus, Status
from statscache.health.status import look
from statscache.hosting.loader import load, running
from statscache.setting.faults import unknown
from statscache.settings import SETTINGS, read_settings

STYLES = {"fine": "bold green", "degraded": "bold yellow", "not working": "bold red"}
TITLES = (
    "plugin",
    "complete until (UTC)",
    "last flush (UTC)",
    "gaps",
    "quarantine",
    "processed",
    "failed",
    "remark",
)
#: What gives way in a narrow terminal.
OPTIONAL = ("last flush (UTC)", "processed", "failed")
UNKNOWN = "not known"


@click.command()
@click.option(
    "--disk", is_flag=True, help="Show how large each table is, how fast it grows and what keep would free."
)
@json_option
def status(disk: bool, as_json: bool) -> None:
    """Show the state of the daemon.

    It asks the daemon at statscache.monitoring.address, and the database. The exit code is 0 if the state is fine, 1 if
    it is degraded, as when a plugin is suspended or a setting is misspelt, and 2 if messages are not counted.

    With --disk it asks the database alone, and a role that may only read figures may ask, too. The growth is that of
    the last 30 days before today, in UTC, from a sample of their windows. What statscache.keep would free is estimated
    in the same way; a daemon that runs drops it soon.
    """
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        logging.getLogger("statscache.hosting.loader").setLevel(
            logging.CRITICAL
        )  # `statscache plugins` tells that
        parts = running(load(settings, config))
        if disk:
            _tell_disk(look_at_disk(settings, parts), as_json)
            return
        found = look(settings, [part.ident for part in parts], parts)
        for _, sentence in unknown(config, SETTINGS):
            found.blame(1, sentence)
    if as_json:
        print_json({**found.as_json(), "code": found.code})
    else:
        _show(found, console())
    sys.exit(found.code)


def _tell_disk(found: Disk, as_json: bool) -> None:
    print_json(found.as_json()) if as_json else show_disk(found)


def _show(found: Status, terminal: Console) -> None:
    terminal.print(
        "standby" if found.standby and not found.code else found.status, style=STYLES[found.status]
    )
    for cause in found.causes:
        terminal.print(
            Padding(styled(cause, STYLES[found.status].removeprefix("bold ")), (0, 0, 0, 2), expand=False)
        )
    facts = Table.grid(padding=(0, 2))
    for name, fact in _facts(found):
        facts.add_row(name, styled(fact, _style(fact)))
    terminal.print(facts)
    terminal.print()
    rows = [_cells(plugin) for plugin in found.plugins]
    show_listing(terminal, Listing(TITLES, rows, prose="remark", right=TITLES[3:-1], optional=OPTIONAL))


def _style(fact: str) -> str:
    return "yellow" if fact == UNKNOWN or fact.startswith("does not answer") else ""


def _facts(found: Status) -> list[tuple[str, str]]:
    answers = "answers" if found.answers else "does not answer"
    gaps = "" if not found.gap_seconds else f", {found.gap_seconds:.0f} s in all"
    facts = {
        "daemon": f"{answers} at {found.daemon}" if found.daemon else "has no health endpoints",
        "last flush": _ago(found.last_flush),
        "delay": None if found.delay is None else f"{found.delay:.1f} s",
        "queue": None if found.queue is None else number_of(round(found.queue), "message"),
        "spool": None if found.spool is None else size_of(found.spool),
        "gaps": None if found.gaps is None else f"{found.gaps}{gaps}",
        "quarantine": None if found.quarantined is None else number_of(found.quarantined, "message"),
        "ledger": None
        if found.ledger_bytes is None
        else f"about {number_of(found.ledger_rows or 0, 'message')}, {size_of(found.ledger_bytes)}",
    }
    known = [(name, UNKNOWN if value is None else value) for name, value in facts.items()]
    standby = [("standby", sentence) for sentence in found.standby]
    waiting = [("broker", waits) for waits in found.waiting]
    removed = [("removed by hand", sentence) for sentence in found.removed]
    staying = [("kept longer", sentence) for sentence in found.staying]
    upgrades = [("upgrades", f"wait for `statscache upgrade`: {', '.join(found.upgrades)}")]
    return (
        known[:1] + standby + known[1:] + waiting + removed + staying + (upgrades if found.upgrades else [])
    )


def _cells(plugin: PluginStatus) -> list[str | Text]:
    processed = "" if plugin.processed is None else f"{plugin.processed:.0f}"
    return [
        styled(plugin.plugin, "red" if plugin.suspended else ""),
        cell(plugin.until),
        cell(plugin.last_flush),
        _count(plugin.gaps, "yellow"),
        _count(plugin.quarantined, "yellow"),
        processed,
        _count(plugin.failed, "red"),
        styled(f"suspended: {plugin.suspended}", "red") if plugin.suspended else "",
    ]


def _count(count: float | None, style: str) -> Text:
    """Return a count of what should not be, in a style unless it is 0."""
    return styled("" if count is None else f"{count:.0f}", style if count else "")


def _ago(when: datetime | None) -> str | None:
    if when is None:
        return None
    return f"{(datetime.now(UTC) - when).total_seconds():.0f} s ago, {cell(when)} UTC"
