"""Checks the built documentation: every local link leads somewhere, and no page asks another host for anything."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

#: What a browser fetches by itself, by tag and attribute.
FETCHED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src")}
#: What a person may follow.
FOLLOWED = {("a", "href")}
#: A tag `link` with one of these is for people and programs to follow.
NOT_FETCHED = {"index", "search", "next", "prev", "canonical", "author"}


class Page(HTMLParser):
    """The ids and the links of one page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.followed: list[str] = []
        self.fetched: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note what a tag has."""
        values = {name: value for name, value in attrs if value}
        if "id" in values:
            self.ids.add(values["id"])
        for name, value in values.items():
            if (tag, name) in FETCHED and values.get("rel") not in NOT_FETCHED:
                self.fetched.append(value)
            elif (tag, name) in FETCHED | FOLLOWED:
                self.followed.append(value)


def faults(site: Path) -> Iterator[str]:
    """Yield a sentence for each link that leads nowhere, and for each thing that another host is asked for."""
    pages = {path.resolve(): Page(path) for path in sorted(site.rglob("*.html"))}
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        for link in page.fetched:
            if urlsplit(link).netloc:
                yield f"{name} asks another host for {link}"
        for link in (*page.fetched, *page.followed):
            if not _leads_somewhere(path, link, pages):
                yield f"{name} has a link that leads nowhere: {link}"
    for style in sorted(site.rglob("*.css")):
        if "url(http" in style.read_text(encoding="utf-8") or "url(//" in style.read_text(encoding="utf-8"):
            yield f"{style.relative_to(site)} asks another host for something"


def _leads_somewhere(path: Path, link: str, pages: dict[Path, Page]) -> bool:
    """Return whether a link on a page leads to a file, and to an element of it if it names one."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return True  # there is no network to try it
    target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
    if not target.is_file():
        return False
    return not parts.fragment or target not in pages or unquote(parts.fragment) in pages[target].ids


def main() -> None:
    """Check the site whose directory is the argument."""
    found = list(faults(Path(sys.argv[1])))
    for fault in found:
        print(fault, file=sys.stderr)
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
