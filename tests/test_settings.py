"""The settings: what is accepted, what is refused, and how it is told."""

from __future__ import annotations

import logging
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.database.engine import check_url
from statscache.errors import Unusable
from statscache.settings import SETTINGS, URI, URI_VARIABLE, Settings, read_settings

GOOD_URI = "postgresql://tester@localhost/counts"
FREQUENCY = "statscache.producer.frequency"
WAIT = "statscache.database.wait"
ENABLED = "statscache.plugins.enabled"
DISABLED = "statscache.plugins.disabled"
BOTS = "statscache.bots"
SECRET = "hunter2"

NOT_SECONDS = [
    *(0, -1, -0.5, 0.0, 86400.1, 10**30, 10**5000, float("nan"), float("inf"), -float("inf"), True, False),
    *("1", "", None, [], {}, (1,), 1j, Decimal(1), timedelta(0), timedelta(seconds=-1), timedelta(days=2)),
]
NOT_NAMES = ["volume", "", b"volume", None, 7, True, [1], ["volume", None], [["volume"]], {1: 2}]
NOT_URIS = [
    *("", "embedded:", "nonsense", "sqlite://", "sqlite:///counts.db", "mysql://u@h/d", "postgresql", 7),
    *("postgresql+asyncpg://h/d", "postgresql://h:port/d", b"postgresql://h/d", True, [], {}, "://", "h/d"),
    *(
        "postgresql://h/d?nonsense=1",
        "postgresql://h/d?port=x",
        "postgresql://h/d\0",
        "postgresql://h/\udc80",
    ),
    *("embedded: ", "embedded:a\0b", "embedded:~no-such-user/data"),
]


class Verbose:
    """A value whose text has many lines."""

    def __repr__(self) -> str:
        return "line\n" * 5000


odd_values = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.timedeltas()
    | st.decimals()
    | st.lists(st.text() | st.integers(), max_size=3)
    | st.frozensets(st.text(), max_size=3)
    | st.dictionaries(st.text(), st.integers(), max_size=3)
    | st.sampled_from([object(), int, list[int], range(3)])
)
schemes = ("postgresql", "postgres", "postgresql+psycopg2", "sqlite", "mysql", "embedded", "")
odd_uris = st.builds("{}{}{}".format, st.sampled_from(schemes), st.sampled_from(["://", ":", ""]), st.text())


def read(**changes: Any) -> Settings:
    """Read a configuration that has nothing but the URL and these."""
    return read_with(changes, {})


def read_with(changes: dict[str, Any], environ: dict[str, str]) -> Settings:
    return read_settings({URI: GOOD_URI, **changes}, environ)


def refusal(key: str, value: Any, environ: dict[str, str] | None = None) -> str:
    """Return the message that refuses a value."""
    with pytest.raises(Unusable) as refused:
        check_url(read_with({key: value}, environ or {}))
    return str(refused.value)


def outcome(key: str, value: Any) -> str | None:
    """Return the message that refuses a value, None if it is read."""
    try:
        read(**{key: value})
    except Unusable as refused:
        return str(refused)
    return None


def test_defaults_need_nothing_but_the_database() -> None:
    """A configuration that has only the URL gives all else its default."""
    assert read() == Settings(
        uri="postgresql+psycopg2://tester@localhost/counts",
        frequency=1.0,
        enabled=frozenset(),
        disabled=frozenset(),
        database_wait=30.0,
    )


def test_the_consumer_is_off_by_default() -> None:
    """Installing the package does not make a hub run it."""
    assert SETTINGS["statscache.consumer.enabled"].default is False


@pytest.mark.parametrize("value", [True, False])
def test_the_consumer_is_on_or_off(value: bool) -> None:
    """The switch of the consumer is one of the two."""
    assert SETTINGS["statscache.consumer.enabled"].read(value) is value


@pytest.mark.parametrize("value", [1, 0, "yes", "", None, []])
def test_the_consumer_is_nothing_but_on_or_off(value: Any) -> None:
    """What only looks like a switch is refused."""
    with pytest.raises(ValueError, match="True or False"):
        SETTINGS["statscache.consumer.enabled"].read(value)


@pytest.mark.parametrize("value", ["yes", "False", 1])
def test_a_consumer_setting_that_is_no_flag_is_told(value: Any) -> None:
    """A text such as 'False' would switch the hub's consumer on, so it is refused like any other."""
    message = refusal("statscache.consumer.enabled", value)
    assert "statscache.consumer.enabled must be True or False" in message


@pytest.mark.parametrize("key", [FREQUENCY, WAIT])
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        *((1, 1.0), (0.25, 0.25), (86400, 86400.0), (1e-9, 1e-9)),
        *((timedelta(seconds=5), 5.0), (timedelta(milliseconds=250), 0.25), (timedelta(days=1), 86400.0)),
    ],
)
def test_times_are_numbers_of_seconds_or_timedeltas(key: str, value: Any, seconds: float) -> None:
    """Both forms come out as seconds."""
    settings = read(**{key: value})
    got = settings.frequency if key == FREQUENCY else settings.database_wait
    assert got == seconds
    assert isinstance(got, float)


@pytest.mark.parametrize("key", [FREQUENCY, WAIT])
@pytest.mark.parametrize("value", NOT_SECONDS, ids=lambda value: repr(value) if value != 10**5000 else "huge")
def test_other_times_are_refused(key: str, value: Any) -> None:
    """One line names the key, what was expected and where to change it."""
    message = refusal(key, value)
    assert message.startswith(f"{key} must be a number of seconds above 0 and up to 86400")
    assert "fedmsg.d" in message
    assert "\n" not in message


@pytest.mark.parametrize("value", [Verbose(), "x" * 5000, [Verbose()] * 500, [10**5000]], ids=range(4))
def test_a_value_is_shown_in_short_and_on_one_line(value: Any) -> None:
    """Whatever the value's text looks like, the message stays one that can be read."""
    message = refusal(FREQUENCY, value)
    assert "\n" not in message
    assert len(message) < 700


@pytest.mark.parametrize("key", [ENABLED, DISABLED])
@pytest.mark.parametrize("value", [["a", "b"], ("a", "b"), {"a", "b"}, frozenset("ab"), dict.fromkeys("ab")])
def test_plugins_are_named_by_any_collection_of_texts(key: str, value: Any) -> None:
    """The kind of collection does not matter."""
    settings = read(**{key: value})
    assert (settings.enabled if key == ENABLED else settings.disabled) == {"a", "b"}


@pytest.mark.parametrize("key", [ENABLED, DISABLED])
@pytest.mark.parametrize("value", NOT_NAMES, ids=repr)
def test_other_lists_of_plugins_are_refused(key: str, value: Any) -> None:
    """A text alone is no list of names, and nothing but texts are names."""
    message = refusal(key, value)
    assert message.startswith(f"{key} must be a list of entry point names")
    assert "fedmsg.d" in message
    assert "\n" not in message


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg2"])
def test_every_spelling_of_postgresql_is_the_one_driver(scheme: str) -> None:
    """Whatever the URL calls it, the driver is psycopg2, and the rest of the URL stays."""
    uri = read(**{URI: f"{scheme}://user:pass%40word@host:5433/db?sslmode=require"}).uri
    assert uri == "postgresql+psycopg2://user:pass%40word@host:5433/db?sslmode=require"


@pytest.mark.parametrize("value", NOT_URIS, ids=ascii)
def test_other_databases_are_refused(value: Any) -> None:
    """One line says which URLs can be used."""
    message = refusal(URI, value)
    assert message.startswith(f"{URI} must be a URL such as postgresql://user@host/statscache")
    assert "embedded:DIRECTORY" in message
    assert "fedmsg.d" in message
    assert "\n" not in message


def test_sqlite_is_refused_with_the_reason() -> None:
    """Who comes from SQLite is told that there is only PostgreSQL."""
    assert "PostgreSQL only" in refusal(URI, "sqlite:////var/tmp/statscache.db")


@pytest.mark.parametrize(
    "value",
    [
        *(
            f"mysql://user:{SECRET}@host/db",
            f"postgresql://user:{SECRET}@host:x/db",
            f"user:{SECRET}@host/db",
        ),
        *(
            f"sqlite://?password={SECRET}",
            f"postgresql+asyncpg://u:{SECRET}@h/d",
            [f"postgresql://:{SECRET}@h"],
            f"postgresql://h/d?password={SECRET}&nonsense=1",
        ),
    ],
)
def test_a_password_is_never_in_a_message(value: Any) -> None:
    """What is wrong with a URL is told without showing it."""
    assert SECRET not in refusal(URI, value)
    with pytest.raises(Unusable) as refused:
        check_url(read_with({}, {URI_VARIABLE: str(value)}))
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize("config", [{}, {URI: None}])
def test_no_database_at_all_is_told(config: dict[str, Any]) -> None:
    """One line says how to set the database, in the file or in the environment."""
    with pytest.raises(Unusable) as refused:
        read_settings(config, {})
    message = str(refused.value)
    assert message.startswith(f"{URI} is not set")
    assert "fedmsg.d" in message
    assert URI_VARIABLE in message
    assert "\n" not in message


def test_an_embedded_database_keeps_its_directory() -> None:
    """The directory is what stands after the colon."""
    settings = read(**{URI: "embedded:/var/lib/counts"})
    assert settings.uri == "embedded:/var/lib/counts"
    assert settings.embedded == "/var/lib/counts"
    assert read().embedded is None


@pytest.mark.parametrize("configured", [GOOD_URI, "sqlite://", None, 7])
def test_the_environment_overrides_the_database(configured: Any) -> None:
    """The variable wins over whatever is configured, usable or not."""
    settings = read_with({URI: configured}, {URI_VARIABLE: "embedded:here"})
    assert settings.embedded == "here"
    assert read_settings({}, {URI_VARIABLE: "embedded:here"}) == settings


def test_an_empty_variable_overrides_nothing() -> None:
    """A variable that is set to nothing is as good as none."""
    assert read_with({}, {URI_VARIABLE: ""}) == read()


def test_a_wrong_url_in_the_environment_is_to_be_corrected_there() -> None:
    """Who set the variable is told of the variable, and not of a file that has no part in it."""
    with pytest.raises(Unusable) as refused:
        read_with({}, {URI_VARIABLE: "sqlite://"})
    message = str(refused.value)
    assert message.startswith(f"{URI_VARIABLE} must be a URL such as")
    assert message.endswith("correct it in the environment")
    assert "fedmsg.d" not in message


def test_the_configuration_is_left_as_it_was() -> None:
    """Reading changes neither the configuration nor the environment."""
    config, environ = {URI: GOOD_URI, ENABLED: ["a"]}, {URI_VARIABLE: "embedded:here"}
    read_settings(config, environ)
    assert (config, environ) == ({URI: GOOD_URI, ENABLED: ["a"]}, {URI_VARIABLE: "embedded:here"})


@pytest.mark.parametrize(
    ("misspelt", "close"),
    [
        *(("statscache.producer.frequncy", FREQUENCY), ("statscache.plugin.enabled", ENABLED)),
        *(("statscache.database.waits", WAIT), ("statscache.sqlalchemy.url", URI)),
    ],
)
def test_a_misspelt_setting_is_warned_about(
    misspelt: str, close: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The warning names the key and the one that is probably meant."""
    read(**{misspelt: 1})
    [record] = caplog.records
    assert record.levelno == logging.WARNING
    assert misspelt in record.getMessage()
    assert f"did you mean {close}?" in record.getMessage()


def test_an_unknown_setting_that_resembles_none_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    """Without a close match there is no guess."""
    read(**{"statscache.xyzzy": 1})
    assert "statscache.xyzzy" in caplog.text
    assert "did you mean" not in caplog.text


def test_nothing_else_is_warned_about(caplog: pytest.LogCaptureFixture) -> None:
    """Neither settings of statscache nor those of others draw a warning."""
    known = {key: setting.default for key, setting in SETTINGS.items() if key != URI}
    read(**known, **{"topic_prefix": "org.example", "statscached": 1, "endpoints": {}})
    assert not caplog.records


@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_says_what_it_is(setting: Any) -> None:
    """Each has a meaning for the documentation, and a default that is itself accepted."""
    assert setting.meaning
    assert setting.kind
    if setting.key != URI:
        setting.read(setting.default)


@pytest.mark.parametrize("key", SETTINGS)
@given(data=st.data())
def test_any_value_is_read_or_refused(key: str, data: st.DataObject) -> None:
    """Whatever a configuration holds, the answer is settings or one line that names the key."""
    value = data.draw(odd_values | odd_uris if key == URI else odd_values)
    message = outcome(key, value)
    assert message is None or (key in message and "\n" not in message)


BRIDGES, LATENESS = "statscache.bridges.wait", "statscache.coverage.lateness"


@pytest.mark.parametrize(
    ("value", "lateness", "seconds"),
    [
        *((None, 300, 10.0), (None, 20, 10.0), (None, 3, 1.5), (0, 300, 0.0), (0.0, 1, 0.0)),
        *((timedelta(0), 300, 0.0), (299, 300, 299.0), (timedelta(seconds=2), 2.5, 2.0)),
    ],
)
def test_copies_are_kept_back_for_less_than_a_message_may_be_late(
    value: Any, lateness: float, seconds: float
) -> None:
    """By default for ten seconds, or half of that."""
    assert read(**{BRIDGES: value, LATENESS: lateness}).kept_back_for == seconds


@pytest.mark.parametrize("value", [300, 300.5, timedelta(days=1)])
def test_a_wait_as_long_as_a_message_may_be_late_is_refused(value: Any) -> None:
    """Else originals would come when their time is complete already."""
    with pytest.raises(
        Unusable, match=r"^statscache.bridges.wait is \d+(.5)? s and must be less than .*300 s"
    ):
        _ = read(**{BRIDGES: value}).kept_back_for


@pytest.mark.parametrize("value", [-1, True, "1", [], float("nan"), 86401, timedelta(seconds=-1)])
def test_a_wait_is_a_time_or_none(value: Any) -> None:
    """What else there is, is refused as for any other time."""
    message = outcome(BRIDGES, value)
    assert message is not None
    assert message.startswith(
        f"{BRIDGES} must be a number of seconds above 0 and up to 86400, or a timedelta"
    )
    assert "or 0 for none at all, or None for the default, not" in message


@pytest.mark.parametrize("patterns", [["releng", "mbs/*"], ("o'brien", "a?"), [], {"*-ci"}])
def test_bots_are_patterns_of_names(patterns: Any) -> None:
    """In any order, and none at all is a list, too."""
    assert read_settings({URI: GOOD_URI, BOTS: patterns}, {}).bots == tuple(sorted(patterns))


@pytest.mark.parametrize(
    "patterns",
    ["releng", None, 7, [7], [""], ["*"], ["?*"], ["[ab]"], ["a" * 201], ["a\0"], ["a\nb"], ["\ud800"]],
)
def test_what_is_no_list_of_patterns_is_refused(patterns: Any) -> None:
    """A pattern that is every name would leave no people, and sets of characters are not read."""
    with pytest.raises(Unusable, match=r"^statscache.bots must be a list of names of accounts, such as "):
        read_settings({URI: GOOD_URI, BOTS: patterns}, {})
