"""Directives that write Markdown, which is then read as if it stood in the page."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar

from docutils import nodes
from sphinx.util.docutils import SphinxDirective

from from_code.names import note

#: What has a meaning in Markdown and stands for itself in the texts of the program.
SPECIAL = re.compile(r"[\[\]<>*]")
#: A name in a text of the program that is not in backquotes there.
NAME = re.compile(r"(?<![`\w])(--[a-z][a-z-]+|statscache(?:\.[a-z]+){2}|[A-Z]+(?:_[A-Z]+)+)")


class MarkdownDirective(SphinxDirective):
    """A directive whose subclass yields lines of Markdown."""

    has_content = False
    #: Whether the lines have headings.
    headings: ClassVar[bool] = False

    def lines(self) -> Iterator[str]:
        """Yield the Markdown."""
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        """Return what the Markdown comes to."""
        text = "\n".join(self.lines())
        return self.parse_text_to_nodes(text, allow_section_headings=self.headings)

    def table(self, titles: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
        """Yield the lines of a table, which the style sheet knows by the directive's name."""
        yield f"{{.{self.name}}}"
        yield _row(titles)
        yield _row(["---"] * len(titles))
        yield from map(_row, rows)

    def named(self, name: str, kind: str) -> str:
        """Return a name in backquotes to which others are linked from now on."""
        return f"`{name}`{{#{note(self.env, name, kind)}}}"


def marked(text: str) -> str:
    """Return a text of the program as Markdown: options, settings and variables in backquotes, no sign special."""
    plain = SPECIAL.sub(r"\\\g<0>", text)
    return NAME.sub(r"`\1`", plain)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
