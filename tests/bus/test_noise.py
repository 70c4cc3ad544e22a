"""What libraries log at a start: the known and harmless is stopped, the rest is not."""

from __future__ import annotations

import logging

import pytest

from statscache.bus.noise import ANNOUNCEMENT, HARMLESS, Hush, KnownNoise

HUB, META = logging.getLogger("moksha.hub"), logging.getLogger("fedmsg.meta")


@pytest.fixture(autouse=True)
def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Takes away what the load of the entry point has put in the libraries' way, if some test has done that."""
    for name in HARMLESS:
        monkeypatch.setattr(logging.getLogger(name), "filters", [])


class DistributionNotFound(Exception):
    """As pkg_resources has it."""


def fail(error: Exception) -> None:
    """Log what fedmsg logs of a processor that does not load."""
    META.warning("%s'bodhi' processor." % ANNOUNCEMENT)  # noqa: UP031  as fedmsg does
    try:
        raise error
    except Exception as raised:
        META.exception(raised)


def make_noise() -> None:
    """Log all that is known to be harmless."""
    for name, beginnings in HARMLESS.items():
        for beginning in beginnings:
            logging.getLogger(name).warning(f"{beginning} ...")  # noqa: G004  as moksha does
    fail(DistributionNotFound("fasjson-client"))


def say_what_matters() -> None:
    """Log what nobody knows to be harmless."""
    HUB.warning("Running with multiple brokers.")
    logging.getLogger("fedmsg").warning("Cannot find qpid python module")
    fail(ImportError("no module named bodhi"))


def assert_only_what_matters(records: list[logging.LogRecord]) -> None:
    """See that all else was logged, and of a processor that does not load its name and the traceback."""
    first, second, third = records
    assert first.getMessage() == "Running with multiple brokers."
    assert second.name == "fedmsg"
    assert third.getMessage() == "Failed to load 'bodhi' processor. no module named bodhi"
    assert third.exc_info


def test_a_handler_s_filter_stops_the_known_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It is for the configuration, where it stops what comes before statscache is loaded, too."""
    known = KnownNoise()
    caplog.handler.addFilter(known)
    try:
        make_noise()
        say_what_matters()
    finally:
        caplog.handler.removeFilter(known)
    assert_only_what_matters(caplog.records)


def test_a_hub_without_statscache_gets_to_hear_all(caplog: pytest.LogCaptureFixture) -> None:
    """What was stopped until that is known is logged after all, and then nothing is stopped."""
    hush = Hush()
    make_noise()
    assert not caplog.records
    hush.end()
    first = [record.getMessage() for record in caplog.records]
    assert len(first) == 5
    caplog.clear()
    make_noise()
    assert [record.getMessage() for record in caplog.records] == first


def test_a_hub_with_statscache_hears_what_matters(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever its handlers are."""
    hush = Hush()
    make_noise()
    hush.keep()
    make_noise()
    say_what_matters()
    assert_only_what_matters(caplog.records)
    hush.keep()
    hush.end()
    assert len(caplog.records) == 3
