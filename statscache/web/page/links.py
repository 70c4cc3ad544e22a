"""Where a page leads to: on a server, or among files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlencode

from statscache.render.language import SOURCE

#: The endings of what is a table and no chart: a page has none.
TABLE_ENDINGS = ("", "csv", "json")


class Links(Protocol):
    """The addresses that stand in a page."""

    #: Whether nobody answers there: what asks a server is left out.
    still: bool

    def home(self) -> str:
        """Return that of the overview."""
        ...

    def view(self, ident: str) -> str:
        """Return that of a statistic."""
        ...

    def file(self, ident: str, ending: str) -> str:
        """Return that of what is shown as a file."""
        ...

    def badge(self, ident: str, figure: str) -> str:
        """Return that of a badge; of the usual figure for an empty name."""
        ...

    def board(self, ident: str, ending: str = "") -> str:
        """Return that of the latest states, or of their file with an ending."""
        ...

    def overview(self, ending: str) -> str:
        """Return that of the overview as a file."""
        ...

    def asset(self, name: str) -> str:
        """Return that of a file that pages need."""
        ...

    def language(self, code: str) -> str:
        """Return that of the same page in another language."""
        ...


@dataclass(frozen=True)
class ServerLinks:
    """The addresses on a server.

    :param root: the path under which the page is, without a slash at its end
    :param fields: the names and values of the query
    """

    root: str
    fields: Sequence[tuple[str, str]]
    still = False

    def home(self) -> str:
        return f"{self.root}/{self._kept()}"

    def view(self, ident: str) -> str:
        return f"{self.root}/view/{ident}{self._kept()}"

    def file(self, ident: str, ending: str) -> str:
        return f"{self.root}/view/{ident}.{ending}{query_of(self.fields)}"

    def badge(self, ident: str, figure: str) -> str:
        return f"{self.root}/badge/{ident}.svg{self._kept('figure')}"

    def board(self, ident: str, ending: str = "") -> str:
        return f"{self.root}/board/{ident}{'.' if ending else ''}{ending}{self._kept()}"

    def overview(self, ending: str) -> str:
        return f"{self.root}/overview.{ending}{self._kept()}"

    def asset(self, name: str) -> str:
        return f"{self.root}/{name}"

    def language(self, code: str) -> str:
        return query_of([*(field for field in self.fields if field[0] != "lang"), ("lang", code)])

    def _kept(self, *others: str) -> str:
        """Return what of the query goes along to another page."""
        return query_of([field for field in self.fields if field[0] in ("lang", "tz", *others)])


@dataclass(frozen=True)
class FileLinks:
    """The addresses among files, relative to each.

    :param code: the language, each of which but English has a folder
    :param path: where the page is in it, as in ``view/volume-week.html``
    """

    code: str
    path: str
    still = True

    def home(self) -> str:
        return f"{self._up()}index.html"

    def view(self, ident: str) -> str:
        return f"{self._up()}view/{ident}.html"

    def file(self, ident: str, ending: str) -> str:
        return f"{self._up()}{self.path.removesuffix('.html')}.{ending}"

    def badge(self, ident: str, figure: str) -> str:
        return f"{self._up()}{path_of_badge(ident, figure)}"

    def board(self, ident: str, ending: str = "") -> str:
        return f"{self._up()}board/{ident}.{ending or 'html'}"

    def overview(self, ending: str) -> str:
        return f"{self._up()}overview.{ending}"

    def asset(self, name: str) -> str:
        return f"{self._up()}{'' if self.code == SOURCE else '../'}{name}"

    def language(self, code: str) -> str:
        top = f"{self._up()}{'' if self.code == SOURCE else '../'}"
        return f"{top}{folder_of(code)}{self.path}"

    def range(self, ident: str, name: str, figure: str) -> str:
        """Return that of a statistic's range, of the usual figure for an empty name."""
        return f"{self._up()}{path_of(ident, name, figure)}"

    def _up(self) -> str:
        return "../" * self.path.count("/")


def folder_of(code: str) -> str:
    """Return the folder of a language, with a slash at its end."""
    return "" if code == SOURCE else f"{code}/"


def path_of(ident: str, reach: str, figure: str) -> str:
    """Return where the page of a range is among files, of the usual figure for an empty name."""
    return f"view/{ident}{_with(figure)}-{reach}.html"


def path_of_badge(ident: str, figure: str) -> str:
    """Return where a badge is among files, of the usual figure for an empty name."""
    return f"badge/{ident}{_with(figure)}.svg"


def _with(figure: str) -> str:
    return f".{figure}" if figure else ""


def query_of(fields: Sequence[tuple[str, str]]) -> str:
    """Return a query with its `?`, empty if it asks for nothing."""
    return f"?{urlencode(fields)}" if fields else ""
