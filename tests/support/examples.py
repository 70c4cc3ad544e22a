"""The examples of the documentation: the fenced code blocks of README.md, CONTRIBUTING.md and docs/**/*.md.

The tests in tests/docs run every example, so an example follows a few rules:

- A block names its language; `text` is for what no program reads.
- A SQL statement ends in a semicolon at the end of a line. A SELECT returns rows on the tables of the tests.
- A line that ends in "`name.py`:" right before a block names the file that holds it. The files of a page that has a
  pyproject.toml or a setup.py are a package, which tests/docs/test_packages.py installs; the page's SQL runs on what
  it has counted. Any other Python block runs by itself, and a file `test_….py` by pytest.
- In a console block `$ ` begins a command, which `\\` at the end of a line continues, and `statscache=> ` what is typed
  into psql. All other lines are what is printed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<fence>`{3,}|~{3,})[ \t]*(?P<info>[^`]*)$")
DIRECTIVE = re.compile(r"^\{(?P<name>[\w-]+)\}\s*(?P<argument>.*)$")
#: Directives of MyST that hold one code block.
CODE = {"code", "code-block", "sourcecode"}
#: Directives of MyST whose text is not Markdown with examples in it.
RAW = {"eval-rst", "math", "mermaid", "raw", "toctree"}
FILE = re.compile(r"`(?P<file>[\w./-]+\.\w+)`:$")
OPTION = re.compile(r"^:(?P<name>[\w-]+):\s*(?P<value>.*)$")
PROMPT = re.compile(r"^(?P<prompt>\$|[a-z]+=[>#]) (?P<input>.*)$")


@dataclass(frozen=True)
class Example:
    """A fenced code block.

    :param page: the path of the page, from the root of the repository
    :param line: the number of the line that opens the block
    :param file: the name of the file that the block is, None if the page names none
    """

    page: str
    line: int
    language: str
    file: str | None
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass
class Command:
    """What a reader types, and what is printed then.

    :param prompt: ``$`` of the shell, or psql's, such as ``statscache=>``
    """

    prompt: str
    text: str
    output: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Directive:
    """What MyST makes something of, such as ```` ```{include} ../README.md ````."""

    name: str
    argument: str
    text: str


@dataclass(frozen=True)
class Page:
    """A page of the documentation.

    :param examples: its code blocks, in order
    :param directives: its directives but for code blocks, in order
    :param prose: the page with every code block left out
    """

    path: str
    text: str
    examples: Sequence[Example]
    directives: Sequence[Directive]
    prose: str

    @property
    def files(self) -> dict[str, str]:
        """The files that the page shows, by their names; of one that it shows again, the last form."""
        return {example.file: example.text for example in self.examples if example.file is not None}

    @property
    def is_package(self) -> bool:
        """Whether its Python files are a package."""
        return not {"pyproject.toml", "setup.py"}.isdisjoint(self.files)


@cache
def pages() -> Sequence[Page]:
    """Return all pages."""
    docs = ROOT / "docs"
    built = docs / "_build"
    paths = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(docs.rglob("*.md"))]
    return [_page(path) for path in paths if path.exists() and not path.is_relative_to(built)]


def page(path: str) -> Page:
    """Return the page with that path from the root of the repository."""
    return next(page for page in pages() if page.path == path)


def examples(*languages: str) -> list[Example]:
    """Return the examples of all pages in these languages, in all if none is named."""
    return [
        example
        for page in pages()
        for example in page.examples
        if not languages or example.language in languages
    ]


def commands(example: Example) -> list[Command]:
    """Return what is typed in a console block, in order."""
    found: list[Command] = []
    continued = False
    for line in example.text.splitlines():
        typed = PROMPT.match(line)
        if continued:
            found[-1].text += f"\n{line}"
        elif typed:
            found.append(Command(typed["prompt"], typed["input"]))
        elif found:
            found[-1].output.append(line)
        if typed or continued:
            continued = line.endswith("\\")
    return found


def _page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT).as_posix()
    reader = _Reader(name)
    reader.read(text.splitlines(), 1)
    return Page(name, text, reader.examples, reader.directives, "\n".join(reader.prose))


class _Reader:
    """Finds the code blocks of a page, those within directives, such as notes, too."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.examples: list[Example] = []
        self.directives: list[Directive] = []
        self.prose: list[str] = []

    def read(self, lines: Sequence[str], first: int) -> None:
        """Read lines, of which the first has that number in the page."""
        rest = iter(enumerate(lines, first))
        before = ""
        for number, line in rest:
            opening = FENCE.match(line)
            if opening:
                self._add(opening, number, list(_inside(rest, opening, f"{self._name}:{number}")), before)
            else:
                self.prose.append(line)
            before = line if line.strip() else before

    def _add(self, opening: re.Match[str], number: int, lines: list[str], before: str) -> None:
        info = opening["info"].strip()
        directive = DIRECTIVE.match(info)
        if directive is None:
            named = FILE.search(before)
            self._example(number, info, lines, named["file"] if named else None)
        elif directive["name"] in CODE:
            options = _options(lines)
            code = "\n".join(lines[len(options) :]).strip("\n").splitlines()
            self._example(number, directive["argument"], code, options.get("caption"))
        else:
            self.directives.append(Directive(directive["name"], directive["argument"], "\n".join(lines)))
            if directive["name"] not in RAW:
                self.read(lines, number + 1)

    def _example(self, number: int, info: str, lines: list[str], file: str | None) -> None:
        language = info.split()[0] if info else ""
        text = "".join(f"{line}\n" for line in lines)
        self.examples.append(Example(self._name, number, language, file, text))


def _inside(rest: Iterator[tuple[int, str]], opening: re.Match[str], place: str) -> Iterator[str]:
    """Yield the lines up to the one that closes the block, without the indentation of the one that opens it."""
    closing = re.compile(rf"^\s*{re.escape(opening['fence'])}{re.escape(opening['fence'][0])}*\s*$")
    for _, line in rest:
        if closing.match(line):
            return
        yield line.removeprefix(opening["indent"])
    raise AssertionError(f"{place}: nothing closes the code block")


def _options(lines: Sequence[str]) -> dict[str, str]:
    """Return the options that the text of a directive begins with."""
    options: dict[str, str] = {}
    for line in lines:
        option = OPTION.match(line)
        if option is None:
            break
        options[option["name"]] = option["value"]
    return options
