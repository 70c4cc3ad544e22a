"""Tables that read well in any width: an identifier is never broken, and what matters less gives way first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: The columns between two columns of a table, and those before what belongs to a heading.
GAP, INDENT = 2, 2
#: A column that wraps has at least so much room, and one of bars, or they are left out.
LEAST_PROSE, LEAST_BAR = 24, 6
Cell = str | Text
#: Draws a bar in so many columns.
Bar = Callable[[int], str]


@dataclass(frozen=True)
class Listing:
    """Rows under titles, for a terminal.

    It is a table where that fits: the whole, or without the columns that are optional, or in groups below the values
    that rows have in common. Where none of that fits, each row is a paragraph.

    :param prose: the column that may be wrapped between words; all others are never wrapped
    :param right: the columns of numbers
    :param optional: the columns to leave out in a narrow terminal, the first one first
    :param group: the columns that rows next to each other have in common
    :param bars: what draws the bar behind each row
    :param bar_title: the title of the bars
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    prose: str = ""
    right: Sequence[str] = ()
    optional: Sequence[str] = ()
    group: Sequence[str] = ()
    bars: Sequence[Bar] = ()
    bar_title: str = ""
    title: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        if self.title:
            yield Text(self.title, style="italic")
        yield from self._in(options.max_width)

    def _in(self, width: int) -> Iterator[RenderableType]:
        for optional in range(len(self.optional) + 1):
            less = self._without(self.optional[:optional])
            if less.fits(width):
                yield less.table(width)
                return
            if less.group and less._inner().fits(width - INDENT):
                yield from less._groups(width)
                return
        yield from self._paragraphs()

    def _without(self, titles: Sequence[str]) -> Listing:
        kept = [index for index, title in enumerate(self.titles) if title not in titles]
        rows = [[row[index] for index in kept] for row in self.rows]
        return replace(self, titles=[self.titles[index] for index in kept], rows=rows, optional=())

    def _inner(self) -> Listing:
        return replace(self._without(self.group), group=())

    def fits(self, width: int) -> bool:
        """Return whether the table is not wider than that, with no cell broken."""
        return sum(self._least(index) + GAP for index in range(len(self.titles))) - GAP <= width

    def _least(self, index: int) -> int:
        if self.titles[index] != self.prose:
            return self._widest(index)
        words = (word for row in self.rows for word in _plain(row[index]).split())
        longest = max(map(cell_len, words), default=0)
        return max(longest, min(self._widest(index), LEAST_PROSE), cell_len(self.titles[index]))

    def _widest(self, index: int) -> int:
        return max(
            cell_len(_plain(cell)) for cell in (self.titles[index], *(row[index] for row in self.rows))
        )

    def table(self, width: int) -> Table:
        """Return the table, at most so wide."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        whole = [self._widest(index) for index, title in enumerate(self.titles) if title != self.prose]
        left = width - sum(whole) - GAP * len(whole)
        for index, title in enumerate(self.titles):
            justify: Any = "right" if title in self.right else "left"
            if title == self.prose:
                room = max(self._least(index), min(left, self._widest(index)))
                table.add_column(title, width=room, overflow="fold", justify=justify)
                left -= room + GAP
            else:
                table.add_column(title, no_wrap=True, overflow="crop", justify=justify)
        bars = [bar(left) for bar in self.bars] if left >= LEAST_BAR else []
        if bars:
            title = self.bar_title if cell_len(self.bar_title) <= left else ""
            table.add_column(Text(title), no_wrap=True, overflow="crop", max_width=left)
        for number, row in enumerate(self.rows):
            table.add_row(*map(_text, row), *bars[number : number + 1])
        return table

    def _groups(self, width: int) -> Iterator[RenderableType]:
        """Yield the rows below what they have in common."""
        common = [self.titles.index(title) for title in self.group]
        inner = self._inner()
        widest = [
            max(map(len, (title, *column)))
            for title, column in zip(inner.titles, _columns(inner), strict=True)
        ]
        numbered = enumerate(self.rows)
        for number, (_, found) in enumerate(groupby(numbered, lambda each: _key(each[1], common))):
            rows = list(found)
            heading = Text("  ").join(
                _text(rows[0][1][index]) for index in common if _plain(rows[0][1][index])
            )
            heading.stylize("bold", 0, len(_plain(rows[0][1][common[0]])))
            if number:
                yield ""
            yield heading
            places = [place for place, _ in rows]
            some = replace(
                inner,
                rows=[inner.rows[place] for place in places],
                bars=[self.bars[place] for place in places] if self.bars else (),
            )
            if any(_plain(cell) for row in some.rows for cell in row):
                yield Padding(some._aligned(widest, width - INDENT), (0, 0, 0, INDENT), expand=False)

    def _aligned(self, widest: Sequence[int], width: int) -> Table:
        """Return the table without titles, its columns as wide as those of the other groups."""
        table = self.table(width)
        table.show_header = False
        for column, title, room in zip(table.columns, self.titles, widest, strict=False):
            if title != self.prose:
                column.min_width = room
        return table

    def _paragraphs(self) -> Iterator[RenderableType]:
        """Yield each row by itself; what is longer than the terminal is left to it, so that it stays one word."""
        for number, row in enumerate(self.rows):
            if number:
                yield ""
            first = _text(row[0])
            first.stylize("bold")
            yield _unbroken(first)
            for title, cell in zip(self.titles[1:], row[1:], strict=True):
                if _plain(cell):
                    line = Text.assemble((f"{title}: " if title else "", "dim"), _text(cell))
                    if title == self.prose:
                        yield Padding(line, (0, 0, 0, INDENT), expand=False)
                    else:
                        yield _unbroken(Text(" " * INDENT) + line)


def _columns(listing: Listing) -> Iterable[list[str]]:
    return ([_plain(row[index]) for row in listing.rows] for index in range(len(listing.titles)))


def _key(row: Sequence[Cell], common: Sequence[int]) -> tuple[str, ...]:
    return tuple(_plain(row[index]) for index in common)


def _plain(cell: Cell) -> str:
    return cell.plain if isinstance(cell, Text) else cell


def _text(cell: Cell) -> Text:
    return cell.copy() if isinstance(cell, Text) else Text(cell)


def _unbroken(text: Text) -> Text:
    text.no_wrap, text.overflow = True, "ignore"
    return text
