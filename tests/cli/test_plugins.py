"""`statscache plugins` lists what is installed, and why it is on or off."""

from __future__ import annotations

import re
from importlib.util import find_spec

from tests.support.lengths import KEYS as LENGTHS
from tests.support.place import Place, rows
from tests.support.tables import PEOPLE, TABLES


def processors(line: str) -> None:
    """See that a line says which processors of fedmsg.meta are active."""
    assert re.match(r"users and packages: (\d+|no) fedmsg\.meta processors", line)
    if find_spec("fedmsg_meta_fedora_infrastructure"):
        assert re.search(r"processors \(.*\bbodhi\b", line)
        assert "not asked, to stay off the network: packages of taskotron" in line


def test_plugins_lists_each_with_all_that_matters(place: Place) -> None:
    """Without any configuration, ident, table, interval, origin and state stand there, and the processors."""
    table, last = place.answer("plugins").split("\n\n")
    titles, *listed = rows(table)
    assert titles == ["plugin", "ident", "tables", "interval", "from", "on or off"]
    found = {row[1]: row for row in listed}
    assert len(found) == len(listed)
    assert {row[2] for row in listed} == {*TABLES, *LENGTHS, *PEOPLE, "data_note"}
    hourly = found["volume-by-category-1h"]
    assert hourly[:4] == ["volume_by_category", "volume-by-category-1h", "data_volume_by_category_1h", "1h"]
    assert re.fullmatch(r"statscache \d\S*", hourly[4])
    assert hourly[5] == "on: by default"
    assert found["volume-by-user-1m"][5] == "off: by default; name it in statscache.plugins.enabled"
    processors(last)


def test_plugins_says_why_one_is_on_or_off(place: Place) -> None:
    """The settings of fedmsg.d decide, and the list says that they do."""
    place.configure(
        {
            "endpoints": {"bus": ["tcp://127.0.0.1:1"]},
            "statscache.plugins.enabled": ["volume_by_user"],
            "statscache.plugins.disabled": ["releng"],
        }
    )
    table, last = place.answer("plugins").split("\n\n")
    listed = {row[0]: row[-1] for row in rows(table)[1:]}
    assert listed["volume_by_user"] == "on: named in statscache.plugins.enabled"
    assert listed["releng"] == "off: named in statscache.plugins.disabled"
    assert listed["volume_by_topic"].startswith("off: by default")
    processors(last)
