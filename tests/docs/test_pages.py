"""What the pages say of tables, settings, tests and each other is so."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from urllib.parse import unquote

import pytest
from sqlalchemy import Engine, inspect

from statscache.daemon import Daemon
from statscache.settings import SETTINGS
from tests.support.examples import ROOT, Page, page, pages

TABLES = page("docs/querying/tables.md")
LINK = re.compile(r"(?<!!)\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^)\s]+)\)")
#: Links that lead out of the repository.
ELSEWHERE = re.compile(r"^[a-z+]+:")
#: What a heading is called in a link: as GitHub and MyST make it of the heading's text.
NO_SLUG = re.compile(r"[^\w\- ]")


def prose_lines(each: Page) -> Iterator[str]:
    """Yield the lines of a page that are not code, without what is code within them."""
    for line in each.prose.splitlines():
        yield re.sub(r"`[^`]*`", "", line)


def parts_of(each: Page) -> Iterator[str]:
    """Yield the prose of a page, and that of the pages that it includes."""
    yield each.prose
    for directive in each.directives:
        if directive.name == "include":
            included = ((ROOT / each.path).parent / directive.argument).resolve()
            yield from parts_of(page(included.relative_to(ROOT).as_posix()))


def anchors(each: Page) -> set[str]:
    """Return what a link can name within a page."""
    found: set[str] = set()
    seen: Counter[str] = Counter()
    for line in "\n".join(parts_of(each)).splitlines():
        if heading := re.match(r"#{1,6} +(.*?)\s*#*$", line):
            slug = NO_SLUG.sub("", re.sub(r"\]\([^)]*\)", "", heading[1]).lower()).strip().replace(" ", "-")
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
            seen[slug] += 1
        elif target := re.match(r"\(([\w.-]+)\)=$", line):
            found.add(target[1])
    return found


def links() -> Iterator[tuple[Page, str]]:
    """Yield every link of every page that leads to another place in the repository."""
    for each in pages():
        for line in prose_lines(each):
            for link in LINK.finditer(line):
                if not ELSEWHERE.match(link["target"]):
                    yield each, unquote(link["target"])


@pytest.mark.parametrize(
    ("source", "target"), [pytest.param(*link, id=f"{link[0].path}-{link[1]}") for link in links()]
)
def test_every_relative_link_leads_somewhere(source: Page, target: str) -> None:
    """The file is there, and where the link names a part of a page, so is that part."""
    path, _, anchor = target.partition("#")
    file = (ROOT / source.path).parent / path if path else ROOT / source.path
    assert file.exists(), f"{source.path} links to {target}, and there is no {path}"
    if anchor and file.suffix == ".md":
        there = anchors(page(file.resolve().relative_to(ROOT).as_posix()))
        assert anchor in there, f"{source.path} links to {target}, and the page has only {sorted(there)}"


def test_the_table_of_settings_is_complete_and_true() -> None:
    """A page has each setting with its type, unit, default and meaning, unless a directive makes that of the code."""
    if any(directive.name == "settings" for each in pages() for directive in each.directives):
        return
    text = "\n".join(each.text for each in pages())
    for s in SETTINGS.values():
        default = "none" if s.default in (None, "") else f"`{s.default}`"
        row = f"| `{s.key}` | {s.kind} | {s.unit + ' ' if s.unit else ''}| {default} | {s.meaning} |"
        assert row in text, f"no page has the row {row}"


def described() -> dict[str, set[str]]:
    """Return the columns of each table that docs/querying/tables.md describes, by the table's name."""
    found: dict[str, set[str]] = {}
    for line in TABLES.prose.splitlines():
        cells = [re.findall(r"`([a-z0-9_]+)`", cell) for cell in line.strip("|").split("|")]
        if len(cells) == 3 and cells[0] and cells[1]:
            found.update((table, set(cells[1])) for table in cells[0])
    return found


def test_every_table_and_column_is_described(daemon: Daemon, engine: Engine) -> None:
    """The tables and views that a daemon with every plugin makes are those of the page, with exactly its columns."""
    inspector = inspect(engine)
    names = [*inspector.get_table_names(), *inspector.get_view_names()]
    there = {
        name: {column["name"] for column in inspector.get_columns(name)}
        for name in names
        if not name.startswith("test_")  # other tests' own
    }
    assert there == described()


def test_the_tests_that_the_guarantees_name_are_there() -> None:
    """Every test that docs/guarantees.md calls a proof exists."""
    named = set(re.findall(r"`(tests/[\w/]+\.py)`", page("docs/guarantees.md").text))
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_systemd_unit_is_where_the_documentation_says() -> None:
    """extras/systemd/statscache.service runs fedmsg-hub, hears from it, and stops it by SIGTERM."""
    assert any("extras/systemd/statscache.service" in each.text for each in pages())
    unit = (ROOT / "extras" / "systemd" / "statscache.service").read_text(encoding="utf-8")
    assert "fedmsg-hub" in unit
    assert "KillSignal=SIGTERM" in unit
    assert "Type=notify" in unit
    assert "WatchdogSec=" in unit
