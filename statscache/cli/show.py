"""`statscache show`: what a plugin has counted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import click

from statscache.cli.listing import Bar, Listing
from statscache.cli.options import instant_of, zone_of
from statscache.cli.progress import report_line
from statscache.cli.terminal import (
    OneLine,
    cell,
    console,
    json_option,
    one_line,
    print_csv,
    print_json,
    show_listing,
    written,
)
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.hosting.loader import find_plugin, load
from statscache.query.recent import TIME, Shown, Wanted, recent
from statscache.settings import read_settings

BAR = 30


@click.command()
@click.argument("ident")
@click.option("--since", metavar="WHEN", help="Leave out earlier rows.")
@click.option("--until", metavar="WHEN", help="Leave out rows of this instant and later.")
@click.option(
    "--by", metavar="KEY", help="Sum over time for each value of this key, such as category; or by timestamp."
)
@click.option("--top", metavar="N", type=click.IntRange(1, 10_000), help="Only the N greatest counts.")
@click.option("--tz", metavar="ZONE", help="Show and take instants in this time zone, such as Europe/Berlin.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the result as CSV.")
@json_option
def show(
    ident: str,
    since: str | None,
    until: str | None,
    by: str | None,
    top: int | None,
    tz: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Show what the plugin IDENT has counted.

    IDENT is a plugin's identifier, such as volume-by-category-1h; `statscache plugins` lists them. The last 20 rows are
    shown, oldest first, or with --since all from then on; with --by or --top, the greatest counts come first. Counts by
    a key, such as category, are shown for each key; --by timestamp sums them.

    WHEN is like 2h, 7d, 2024-05-31 or 2024-05-31T12:00, in UTC unless --tz or WHEN itself names a zone. Rows dated
    more than an hour ahead of now are left out unless --until is given.
    """
    if as_csv and as_json:
        raise OneLine("--csv and --json cannot be combined: choose one")
    zone = zone_of(tz)
    wanted = Wanted(instant_of(since, "--since", zone), instant_of(until, "--until", zone), by, top)
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        raise OneLine("--since must be before --until")
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        plugin = find_plugin(load(settings, config), ident)
        with open_database(settings).connect() as connection:
            shown = recent(connection, plugin, wanted, datetime.now(UTC))
    if as_json:
        print_json([_in_zone(row, zone) for row in shown.as_json()])
    elif as_csv:
        print_csv(shown.titles, shown.rows, zone)
    else:
        _print(shown, ident, zone)
    cut = shown.cut if as_json or as_csv or console().is_terminal else ""
    for remark in filter(None, (cut, shown.ahead)):
        report_line(remark)


def _in_zone(row: dict[str, object], zone: tzinfo) -> dict[str, object]:
    return {key: written(it, zone) if isinstance(it, datetime) else it for key, it in row.items()}


def _print(shown: Shown, ident: str, zone: tzinfo) -> None:
    terminal = console()
    show_listing(terminal, table_of_rows(shown, zone))
    hint = shown.hint or ("these rows come from all parts of the plugin" if "/" in ident else "")
    if hint and terminal.is_terminal:
        terminal.print(f"\n{hint}", style="dim")


def table_of_rows(shown: Shown, zone: tzinfo = UTC) -> Listing:
    """Return rows for the terminal."""
    if not shown.rows:
        return Listing(("no rows",), ())
    titles = [f"{title} ({zone})" if title == TIME else title for title in shown.titles]
    rows = [[cell(value, zone) for value in row] for row in shown.rows]
    group = titles[:1] if shown.titles[0] == TIME and len(titles) > 2 else ()
    return Listing(
        titles,
        rows,
        right=titles[-1:] if shown.bars else (),
        group=group,
        bars=_bars([int(row[-1]) for row in shown.rows]) if shown.bars else (),
    )


def _bars(volumes: Sequence[int]) -> list[Bar]:
    greatest = max(*volumes, 1)
    return [_bar_of(volume / greatest) for volume in volumes]


def _bar_of(share: float) -> Bar:
    return lambda width: "█" * max(1, round(min(BAR, width) * share))
