"""The list of what the packages contain is whole, and says which package has it."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import requires

from tests.support.built import ROOT, Built, tracked

LIST = ROOT / "packaging" / "LICENSES.md"


def table(number: int) -> list[list[str]]:
    """Return the cells of one of the list's tables."""
    tables = re.findall(r"(?:^\|.*\n)+", LIST.read_text(encoding="utf-8"), re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in tables[number].splitlines()[2:]]


@cache
def pattern(glob: str) -> re.Pattern[str]:
    """Return what matches the names of some files: ** is any number of folders, * a part of one name."""
    parts = {"**/": "(.*/)?", "*": "[^/]*"}
    return re.compile("".join(parts.get(each, re.escape(each)) for each in re.split(r"(\*\*/|\*)", glob)))


def rows_of(name: str) -> list[list[str]]:
    """Return the rows that a file is in."""
    return [
        row
        for row in table(0)
        if any(pattern(glob).fullmatch(name) for glob in re.findall("`(.*?)`", row[0]))
    ]


def shared(name: str) -> str:
    """Return where the wheel has a file that is no part of a package."""
    return LIST.name if name == f"packaging/{LIST.name}" else name.removeprefix("extras/")


def test_each_file_has_a_licence(built: Built) -> None:
    """The first row that a file is in says under which licence it is."""
    for name in built.in_sdist & set(tracked()):
        rows = rows_of(name)
        assert rows, f"{name} is in no row of {LIST.name}"
        assert rows[0][2] == "MIT"


def test_the_list_says_what_the_wheel_has(built: Built) -> None:
    """A row says yes where the wheel has its files, and no where it has none of them."""
    there = {re.sub(r"^statscache-[^/]*\.data/data/share/statscache/", "", name) for name in built.in_wheel}
    there |= {"LICENSE"}
    for name in tracked():
        found = name in there or shared(name) in there
        assert found == (rows_of(name)[0][3] == "yes"), name


def test_each_requirement_is_listed() -> None:
    """What pip installs beside it, and for which extra."""
    found = set()
    for line in requires("statscache") or []:
        extra = re.search(r'extra == ["\'](\w+)["\']', line)
        if not extra or extra[1] in ("web", "amqp", "parquet", "embedded"):
            found.add((re.split(r"[\[<>=! ;]", line)[0], f"`{extra[1]}`" if extra else ""))
    assert found == {(name, extra) for name, _, extra in table(1)}
