"""`statscache config` says what every setting is, where it comes from and what is wrong; so does `status`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from statscache.settings import SETTINGS, URI, URI_VARIABLE
from tests.support.place import Place

pytestmark = pytest.mark.slow
SECRET = "hunter2"
GOOD = {URI: f"postgresql://me:{SECRET}@127.0.0.1:1/counts?sslpassword={SECRET}"}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A directory whose settings come from files alone."""
    place = Place(tmp_path)
    place.configure(GOOD)
    return place


def test_every_setting_is_listed_with_its_value_and_where_it_comes_from(place: Place) -> None:
    """The later file wins, the environment before all, and no password is printed."""
    place.write("fedmsg.d/zz.py", "config = {'statscache.spool.limit': '5 GiB'}")
    place.write(".fedmsg.d/a.py", "config = {'statscache.spool.limit': '6 GiB', 'statscache.web.rate': 7}")
    output = place.answer("config", "--json")
    found = {each["setting"]: each for each in json.loads(output)["settings"]}
    assert sorted(found) == sorted(SETTINGS)
    assert found["statscache.spool.limit"] == {
        "setting": "statscache.spool.limit",
        "value": "'5 GiB'",
        "from": str(place.directory / "fedmsg.d" / "zz.py"),
        "wrong": "",
    }
    assert found["statscache.web.rate"]["from"] == str(place.directory / ".fedmsg.d" / "a.py")
    assert found["statscache.memory.limit"]["from"] == "default"
    assert found[URI]["value"] == "postgresql+psycopg2://me:***@127.0.0.1:1/counts"
    place.environment[URI_VARIABLE] = f"postgresql://you:{SECRET}@h/d"
    listed = place.answer("config")
    assert "postgresql+psycopg2://you:***@h/d" in listed
    assert SECRET not in output + listed
    assert place.answer("config", "--check") == "nothing is wrong\n"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"statscache.plugin.enabled": ["x"]}, "statscache.plugin.enabled is not a setting of statscache"),
        ({"statscache.plugin.enabled": ["x"]}, "did you mean statscache.plugins.enabled?"),
        (
            {"statcache.spool.limit": 1},
            "statcache.spool.limit has no effect; did you mean statscache.spool.limit?",
        ),
        (
            {"statscache.spool.limit": "4 GIB"},
            "statscache.spool.limit must be a whole number of bytes above 0",
        ),
        ({"statscache.plugins.disabled": ["vol"]}, "names the plugin 'vol', which is not installed"),
        (
            {"statscache.consumer.enabled": True, "endpoints": {}, "zmq_enabled": True},
            "validate_signatures is not",
        ),
        ({"statscache.consumer.enabled": True, "validate_signatures": False}, "zmq_enabled is not True"),
        ({"statscache.datagrepper.endpoint": f"ftp://me:{SECRET}@h/"}, "'ftp://me:***@h/'"),
        ({URI: f"postgresql://me:{SECRET}@h/d?bogus=1"}, "does not understand an option"),
        ({URI: f"mysql://me:{SECRET}@h/d"}, "must be a URL such as postgresql://"),
        ({"statscache.bridges.wait": 400}, "statscache.bridges.wait is 400 s and must be less than"),
        ({URI: None}, "statscache.sqlalchemy.uri is not set"),
    ],
)
def test_what_is_wrong_is_said(settings: dict[str, object], said: str, place: Place) -> None:
    """All of it, each in a line, and the exit code is 1."""
    place.configure({**GOOD, "statscache.web.rate": -1, **settings})
    code, output, errors = place.run("config", "--check")
    assert (code, errors) == (1, "")
    wrong = output.splitlines()
    assert any("statscache.web.rate must be a number above 0" in line for line in wrong)
    assert any(said in line for line in wrong), output
    assert all(
        str(place.directory / "fedmsg.d" / "statscache.py") in line for line in wrong if "rate" in line
    )
    code, listed, _ = place.run("config")
    assert code == 1
    assert said in listed
    assert SECRET not in output + listed


def test_a_file_that_cannot_be_read_is_named(place: Place) -> None:
    """And the others are read all the same."""
    place.write("fedmsg.d/broken.py", f"config = {{'{URI}': '{SECRET}'")
    place.write("fedmsg.d/other.py", "settings = {}")
    code, output, _ = place.run("config", "--check")
    assert code == 1
    first, second = output.splitlines()
    assert first.startswith(f"{place.directory / 'fedmsg.d' / 'broken.py'} cannot be read (SyntaxError: ")
    assert second.startswith(f"{place.directory / 'fedmsg.d' / 'other.py'} defines no dict `config`")
    assert SECRET not in output
    assert "me:***@127.0.0.1" in place.run("config")[1]


def test_status_says_which_settings_have_no_effect(place: Place) -> None:
    """Which degrades what is fine otherwise."""
    place.configure(
        {
            **GOOD,
            "statscache.monitoring.address": "",
            "statscache.spool.limti": 1,
            "statscache.database.wait": 1,
        }
    )
    code, output, _ = place.run("status")
    assert code == 2
    assert "statscache.spool.limti is not a setting of statscache and has no effect; did you mean" in output
