"""What a plugin raises, however strange, is a failure of that plugin and for that message alone."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any, ClassVar, NoReturn

import pytest

from statscache.database.trouble import first_line
from statscache.errors import loggable
from statscache.hosting.dispatch import Dispatch, Recipient
from statscache.hosting.watchdog import Watch
from statscache.messages.message import Message
from statscache.store.failure import failure
from tests.support.bench import MINUTE, Good


class Evil(BaseException):
    """Raises whenever it is asked for anything."""

    def __str__(self) -> NoReturn:
        raise SystemExit("not to be read")

    __repr__ = __str__

    @property
    def __notes__(self) -> NoReturn:
        raise KeyboardInterrupt

    @property
    def orig(self) -> NoReturn:
        raise RuntimeError


class Raising(Good):
    name = "raising"
    error: ClassVar[BaseException] = Evil()

    def process(self, message: Message) -> None:
        self.count(message, "word")
        raise self.error


async def later() -> None:
    """Do nothing, and not even that until somebody waits for it."""


class Promising(Good):
    name = "promising"

    def process(self, message: Message) -> Any:
        return later()


@pytest.fixture
def _handled() -> Iterator[None]:
    """SIGINT as a daemon handles it, so that KeyboardInterrupt is nobody's Ctrl-C."""
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def _by_python() -> Iterator[None]:
    """SIGINT as Python handles it, which ignores it where the tests run in the background of a shell."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def hand_over(kind: type[Good], watch: Watch) -> dict[str, Any]:
    """Return what a plugin has taken from one message."""
    dispatch = Dispatch([Recipient("bad", kind(MINUTE, {}))], watch)
    body = {"topic": "a.b.c.d", "msg": {"word": "x"}, "timestamp": 30, "msg_id": "1"}
    dispatch.take([Message(body)])
    return dispatch.cut()


@pytest.mark.usefixtures("_handled")
@pytest.mark.parametrize("kind", [Evil, SystemExit, KeyboardInterrupt, GeneratorExit, StopIteration])
def test_it_is_kept_as_a_failure(kind: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    """The queue is as it was, and no plugin is being called any more."""
    monkeypatch.setattr(Raising, "error", kind())
    watch = Watch()
    taken = hand_over(Raising, watch)["bad"]
    assert taken.items == []
    assert taken.failures["1"].error.startswith(kind.__name__)
    assert watch.busy is None


@pytest.mark.usefixtures("_by_python")
def test_somebodys_ctrl_c_goes_on_and_looks_like_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where Python's own handler raises it on the main thread, it ends what runs; the watchdog sees no plugin busy."""
    monkeypatch.setattr(Raising, "error", KeyboardInterrupt())
    watch = Watch()
    with pytest.raises(KeyboardInterrupt):
        hand_over(Raising, watch)
    assert watch.busy is None


def test_what_only_promises_to_run_has_failed() -> None:
    """A process that gives a coroutine has counted nothing, and the reason says so."""
    assert "its body has not run" in hand_over(Promising, Watch())["bad"].failures["1"].error


@pytest.mark.usefixtures("_handled")
def test_an_error_without_a_text_is_named_by_its_type() -> None:
    """Neither its text nor its traceback is needed to keep it, or to log it."""
    kept = failure(Evil())
    assert (kept.error, kept.trace) == ("Evil: (its text cannot be had: SystemExit)", "")
    assert first_line(Evil()) == "(its text cannot be had: SystemExit)"
    assert [loggable(error) is error for error in (Evil(), ValueError("x"))] == [False, True]
