"""The pages as files, for any web server: the overview, and each statistic with its ranges."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, Table

from statscache.query.frame import default_range
from statscache.query.notes import note_tables
from statscache.query.statistics import Statistic, statistics
from statscache.query.tables import Served
from statscache.query.view import RANGES, View, usual_key
from statscache.render.language import language, languages
from statscache.web.database import Database
from statscache.web.page.badges import made_badge
from statscache.web.page.board import made_board
from statscache.web.page.detail import Wanted, read_view, rendered_view
from statscache.web.page.links import TABLE_ENDINGS, FileLinks, folder_of, path_of, path_of_badge
from statscache.web.page.overview import made_overview, read_overview
from statscache.web.page.reader import Reader
from statscache.web.page.static import MEDIA
from statscache.web.page.templating import static

ENDINGS = ("", "csv", "json", "svg")


@dataclass(frozen=True)
class File:
    """A file of the site, by its path in it."""

    path: str
    content: bytes


class StillSite:
    """Makes the files.

    :param archive: the URL of the archive in which people look up messages; empty for none
    :param now: when they are made
    """

    def __init__(self, tables: Mapping[str, Served], database: Database, archive: str, now: datetime) -> None:
        self._database = database
        self._archive = archive
        self._now = now
        self._statistics = statistics(tables)
        self._boards = {ident: its for ident, its in tables.items() if its.layout is not None and its.latest}
        self._notes: Collection[Table] = note_tables(table.plugin for table in tables.values())

    def files(self) -> Iterator[File]:
        """Yield each file.

        :raises Refusal: if the database cannot be asked
        """
        for name in MEDIA:
            yield File(f"static/{name}", static(name))
        for statistic in self._statistics.values():
            for reach in RANGES:
                yield from self._views(statistic, reach, "")
            for figure in _figures(statistic)[1:]:
                yield from self._views(statistic, default_range(statistic), figure)
        for code in languages():
            yield from self._others(code)

    def _reader(self, code: str, path: str) -> Reader:
        return Reader(language(code), (), {}, FileLinks(code, path))

    def _views(self, statistic: Statistic, reach: str, figure: str) -> Iterator[File]:
        """Yield a range of a figure in every form and language."""
        view = View(reach, by=usual_key(statistic, figure), figure=figure)
        wanted = Wanted(statistic, view, "", self._archive, "")
        series, notes = self._database.ask(
            lambda connection: read_view(wanted, self._notes, connection, self._now)
        )
        paths = [path_of(statistic.ident, reach, figure)]
        if reach == default_range(statistic) and not figure:
            paths.append(f"view/{statistic.ident}.html")
        for code in languages():
            for path in paths:
                for ending in ENDINGS:
                    name = f"{path.removesuffix('.html')}.{ending}" if ending else path
                    its = replace(wanted, ending=ending)
                    body = rendered_view(self._reader(code, path), its, series, notes, self._now)
                    yield File(folder_of(code) + name, body)

    def _others(self, code: str) -> Iterator[File]:
        folder = folder_of(code)
        reader = self._reader(code, "index.html")
        overview = read_overview(reader, self._statistics, self._boards, self._database, self._now)
        for ending in TABLE_ENDINGS:
            name = f"overview.{ending}" if ending else "index.html"
            yield File(folder + name, made_overview(reader, overview, ending))
        for ident, statistic in self._statistics.items():
            for figure in _figures(statistic):
                path = path_of_badge(ident, figure)
                yield File(folder + path, self._badge(self._reader(code, path), statistic, figure))
        for ident, served in self._boards.items():
            path = f"board/{ident}.html"
            for ending in TABLE_ENDINGS:
                body = self._board(self._reader(code, path), served, ending)
                yield File(f"{folder}board/{ident}.{ending or 'html'}", body)

    def _badge(self, reader: Reader, statistic: Statistic, figure: str) -> bytes:
        def make(connection: Connection) -> bytes:
            return made_badge(reader, statistic, figure, connection, self._now)

        return self._database.ask(make)

    def _board(self, reader: Reader, served: Served, ending: str) -> bytes:
        def make(connection: Connection) -> bytes:
            return made_board(reader, served, connection, self._now, ending)

        return self._database.ask(make)


def _figures(statistic: Statistic) -> list[str]:
    """Return the names of what is shown of a statistic, that of the usual figure as empty."""
    return ["", *(figure.name for figure in statistic.figures[1:])]
