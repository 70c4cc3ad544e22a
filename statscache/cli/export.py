"""`statscache export`: the figures of a statistic as a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Column, Connection

from statscache.cli.options import instant_of, zone_of
from statscache.cli.terminal import OneLine, one_line
from statscache.configuration import fedmsg_config
from statscache.database.engine import open_database
from statscache.database.streaming import copied
from statscache.errors import StatscacheError, Unusable, number_of
from statscache.hosting.loader import load
from statscache.instants import END_OF_TIME
from statscache.query.columns import INSTANT, kind_of
from statscache.query.completeness import in_a_cell, read_completeness
from statscache.query.extents import extent_of_windows
from statscache.query.frame import frame_of
from statscache.query.periods import EARLIEST, Step
from statscache.query.sql import sql_of_rows
from statscache.query.statistics import Statistic, schedule_of, statistics
from statscache.query.tables import Served, served
from statscache.query.verified import read_checked_series
from statscache.query.view import MOST_LINES, TOP, UTC_ZONE, View, keys_for, usual_key
from statscache.settings import Settings, read_settings

FORMATS = ("csv", "json", "svg", "parquet")


@click.command()
@click.argument("statistic")
@click.option("--since", metavar="WHEN", help="Start at this instant; by default as the page does.")
@click.option("--until", metavar="WHEN", help="Stop before this instant; by default now.")
@click.option(
    "--step",
    metavar="STEP",
    type=click.Choice([str(step) for step in Step]),
    help="As day or week: how long periods are.",
)
@click.option("--tz", metavar="ZONE", help="The time zone of periods and instants, such as Europe/Berlin.")
@click.option("--by", metavar="KEY", help="The key whose values are told apart; '' for none.")
@click.option("--figure", metavar="FIGURE", help="What is shown, as the page calls it in its address.")
@click.option("--key", "keys", metavar="KEY=VALUE", multiple=True, help="Only this value; may be repeated.")
@click.option("--top", metavar="N", type=click.IntRange(1, MOST_LINES), default=TOP, help="How many keys.")
@click.option("--windows", metavar="LENGTH", help="For Parquet: the table with these windows, such as 1h.")
@click.option("-o", "--output", metavar="FILE", required=True, help="Ends in .csv, .json, .svg or .parquet.")
def export(
    statistic: str,
    since: str | None,
    until: str | None,
    step: str | None,
    tz: str | None,
    by: str | None,
    figure: str | None,
    keys: Sequence[str],
    top: int,
    windows: str | None,
    output: str,
) -> None:
    """Write a statistic's figures to a file.

    Each figure says whether it is complete. STATISTIC is what the page calls it, such as volume-by-category. CSV, JSON
    and SVG are those of the page. Parquet has every row of the statistic's table with the shortest windows, however
    many, and needs statscache[parquet].

    WHEN is like 2h, 7d, 2024-05-31 or 2024-05-31T12:00, in UTC unless --tz or WHEN itself names a zone.
    """
    zone, ending = zone_of(tz), _ending(output)
    start, stop = instant_of(since, "--since", zone), instant_of(until, "--until", zone)
    _check_range(start, stop, ending)
    with one_line():
        config = fedmsg_config()
        settings = read_settings(config)
        its = _statistic(settings, config, statistic)
        wanted = _keys(its, keys)
        if ending == "parquet":
            done = _write_rows(settings, _table(its, windows), start, stop, wanted, Path(output))
        else:
            name = _figure(its, figure)
            a_step = Step(step) if step else None
            view = View(None, start, stop, a_step, _zone(zone), _by(its, by, name), top, wanted, figure=name)
            done = _write_view(settings, its, view, ending, Path(output))
    click.echo(done)


def _ending(output: str) -> str:
    ending = output.rpartition(".")[2].lower()
    if ending not in FORMATS or "." not in output:
        endings = ", ".join(f".{each}" for each in FORMATS)
        raise OneLine(f"-o must name a file that ends in one of {endings}, not {output!r}")
    return ending


def _check_range(start: datetime | None, stop: datetime | None, ending: str) -> None:
    if start and stop and start >= stop:
        raise OneLine("--since must be before --until")
    if stop and not start and ending != "parquet":
        raise OneLine("--until needs --since: give both, or only --since")


def _zone(zone: tzinfo) -> Any:
    return UTC_ZONE if zone is UTC else zone


def _statistic(settings: Settings, config: Mapping[str, Any], ident: str) -> Statistic:
    known = statistics(served(load(settings, config)))
    if ident in known:
        return known[ident]
    near = difflib.get_close_matches(ident, known, 1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(known) or 'none'}"
    raise StatscacheError(f"there is no statistic {ident!r}: {hint}")


def _keys(statistic: Statistic, given: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Return the values wanted of each key column."""
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name not in statistic.keys:
            names = ", ".join(statistic.keys) or "none"
            raise StatscacheError(f"--key must be KEY=VALUE with a key of {statistic.ident}: {names}")
        found.setdefault(name, []).append(value)
    return {name: tuple(dict.fromkeys(values)) for name, values in found.items()}


def _figure(statistic: Statistic, figure: str | None) -> str:
    names = [its.name for its in statistic.figures]
    if figure is not None and figure not in names:
        raise StatscacheError(f"--figure must be one of {', '.join(names)} for {statistic.ident}")
    return figure or ""


def _by(statistic: Statistic, by: str | None, figure: str) -> str | None:
    if by is None:
        return usual_key(statistic, figure)
    keys = keys_for(statistic, statistic.figure(figure))
    if by and by not in keys:
        of = f"{statistic.ident}{f' with --figure {figure}' if figure else ''}"
        raise StatscacheError(f"--by must be a key of {of}: {', '.join(keys) or 'none'}")
    return by or None


def _table(statistic: Statistic, windows: str | None) -> Served:
    tables = {str(schedule_of(table)): table for table in statistic.tables}
    if windows is None:
        return statistic.finest
    if windows not in tables:
        raise StatscacheError(f"--windows must be one of {', '.join(tables)} for {statistic.ident}")
    return tables[windows]


def _write_rows(
    settings: Settings,
    table: Served,
    start: datetime | None,
    stop: datetime | None,
    keys: Mapping[str, Sequence[str]],
    path: Path,
) -> str:
    """Write a table's rows as Parquet, and return what to say of it."""
    try:
        from statscache.render.parquet import Origin, write_parquet
    except ModuleNotFoundError as error:
        raise Unusable(f"{error.name} is not installed: install statscache[parquet]") from None
    query = sql_of_rows(table, start or EARLIEST, stop or datetime.now(UTC), keys)
    columns = {its.name: _type_of(its) for its in table.table.columns}

    def write(connection: Connection, target: Path) -> str:
        origin = Origin(table.ident, _versions(connection, table), table.time.name)
        with copied(connection, query) as rows:
            count = write_parquet(rows, columns, origin, target)
        return f"{number_of(count, 'row')} of {table.table.fullname} in {path}"

    return _written(settings, path, write)


def _versions(connection: Connection, table: Served) -> str | Callable[[int], str]:
    """Return by which versions of its plugin a table was counted, or what gives these of each window."""
    known = read_completeness(connection, [table.table.fullname], 0, END_OF_TIME)
    if len(known.counted) < 2:
        return in_a_cell(known.counted)
    extent_of = extent_of_windows(connection, table)
    return lambda second: in_a_cell(known.versions(*extent_of(second)))


def _type_of(column: Column[Any]) -> type:
    """Return what holds the values of a column."""
    return datetime if kind_of(column.type) is INSTANT else column.type.python_type


def _write_view(settings: Settings, statistic: Statistic, view: View, ending: str, path: Path) -> str:
    """Write a view as the page has it, and return what to say of it."""
    try:
        from statscache.render.forms import made
        from statscache.render.language import language
    except ModuleNotFoundError as error:
        raise Unusable(f"{error.name} is not installed: install statscache[web]") from None
    from statscache.render.verdict import sentence

    def write(connection: Connection, target: Path) -> str:
        now = datetime.now(UTC)
        series = read_checked_series(connection, frame_of(statistic, view, now, connection), now)
        english = language("en")
        target.write_text(made(series, english, ending), encoding="utf-8", newline="")
        return f"{number_of(len(series.periods), 'period')} in {path}. {sentence(series, english)}"

    return _written(settings, path, write)


def _written(settings: Settings, path: Path, write: Any) -> str:
    """Write a file that is there whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    try:
        with open_database(settings).connect() as connection:
            done: str = write(connection, part)
        part.replace(path)
    except OSError as error:
        raise StatscacheError(f"{path} cannot be written: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)
    return done
