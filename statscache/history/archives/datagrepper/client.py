"""JSON over HTTP, asked for again where that may help, and given up at once where nobody waits for it any more."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from typing import Any, TypeVar

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    MaxRetryError,
    NewConnectionError,
    ResponseError,
    SSLError,
)

from statscache.errors import StatscacheError, number_of
from statscache.history.archives.archive import HistoryError

T = TypeVar("T")
Query = Mapping[str, str] | Sequence[tuple[str, str]]

TIMEOUT = urllib3.Timeout(connect=5.0, read=60.0)
RETRY = urllib3.Retry(total=5, backoff_factor=0.5, backoff_jitter=0.5, backoff_max=60)
#: Seconds: a server that asks for a longer pause is asked after this one.
LONGEST_PAUSE = 600.0
#: How often a server may ask for a pause before that counts as a failure.
PAUSES = 10
#: Answers, other than those from 500 on, of which another try may be better.
PASSING = {408, 425, 429}
#: Only redirects: all else is tried again here, where a pause can be cut short.
_REDIRECTS = urllib3.Retry(
    total=None, connect=0, read=0, other=0, status=0, redirect=5, respect_retry_after_header=False
)
_UNREACHABLE = (NewConnectionError, ConnectTimeoutError, SSLError)


class Unavailable(StatscacheError):
    """An answer that could not be had in all tries.

    :param unreachable: whether there was not even a connection
    """

    def __init__(self, reason: str, unreachable: bool = False) -> None:
        super().__init__(reason)
        self.unreachable = unreachable


class Stopped(StatscacheError):
    """Nobody waits for the answer any more."""


class _Trouble(Exception):
    """A try that failed, where another may not.

    :param pause: for how many seconds the server asked to be left alone
    """

    def __init__(self, reason: str, unreachable: bool = False, pause: float | None = None) -> None:
        super().__init__(reason)
        self.unreachable = unreachable
        self.pause = pause


class Client:
    """Asks one address, from any number of threads.

    :param url: the address, without a query
    :param connections: how many threads there are
    :param retry: how often to try again, and after which pauses
    :param pauses: how often the server may ask for one before that counts as a failure
    :raises HistoryError: if the address is none
    """

    def __init__(
        self, url: str, connections: int, timeout: urllib3.Timeout, retry: urllib3.Retry, pauses: int = PAUSES
    ) -> None:
        parts = urllib3.util.parse_url(url)
        if parts.scheme not in ("http", "https") or not parts.host:
            raise HistoryError(
                f"{url} is not the address of an archive: give one that starts with http:// or https://"
            )
        self.url = url
        self._retry = retry
        self._pauses = pauses
        self._quiet_until = 0.0  # on the monotonic clock
        self._lock = threading.Lock()
        self._pool = urllib3.PoolManager(maxsize=connections, timeout=timeout, headers=_headers())

    def get(self, query: Query, read: Callable[[Any], T], stop: threading.Event) -> T:
        """Return what `read` makes of the answer.

        :param read: gets the JSON; what it calls a ValueError is tried again
        :param stop: set when nobody waits for the answer any more
        :raises Unavailable: if all tries failed
        :raises HistoryError: if the server says that no other try can help
        :raises Stopped: if `stop` was set
        """
        retry, pauses = self._retry, 0
        while True:
            self._wait_for_quiet(stop)
            try:
                return self._try(query, read)
            except _Trouble as trouble:
                if trouble.pause is not None and pauses < self._pauses:
                    pauses += 1  # the pause that it asks for is one for all threads
                    self._keep_quiet(trouble.pause)
                    continue
                retry = _next(retry, trouble)
            self._wait(retry.get_backoff_time(), stop)

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._pool.clear()

    def _keep_quiet(self, seconds: float) -> None:
        with self._lock:
            self._quiet_until = max(self._quiet_until, time.monotonic() + seconds)

    def _wait_for_quiet(self, stop: threading.Event) -> None:
        self._wait(0, stop)
        while (seconds := self._quiet_until - time.monotonic()) > 0:
            self._wait(seconds, stop)

    def _wait(self, seconds: float, stop: threading.Event) -> None:
        if stop.wait(seconds):
            raise Stopped(f"reading {self.url} was stopped")

    def _try(self, query: Query, read: Callable[[Any], T]) -> T:
        answer = self._answer(query)
        self._check(answer)
        try:
            return read(json.loads(answer.data))
        except (ValueError, RecursionError) as error:
            raise _Trouble(f"the answer cannot be read ({error})") from None

    def _answer(self, query: Query) -> urllib3.BaseHTTPResponse:
        try:
            return self._pool.request("GET", self.url, fields=query, retries=_REDIRECTS)
        except HTTPError as error:
            reason = error.reason if isinstance(error, MaxRetryError) and error.reason else error
            if isinstance(reason, ResponseError):
                raise HistoryError(f"{self.url} redirects without end: check the address") from None
            raise _Trouble(_text(reason), isinstance(reason, _UNREACHABLE)) from None

    def _check(self, answer: urllib3.BaseHTTPResponse) -> None:
        if answer.status == 200:
            return
        text = f"{answer.status} {answer.reason or ''}".strip()
        if answer.status in PASSING or answer.status >= 500:
            raise _Trouble(f"the answer was {text}", pause=pause_of(answer))
        raise HistoryError(f"{self.url} answers {text} instead of messages: check the address")


def _headers() -> dict[str, str]:
    agent = f"statscache/{version('statscache')}"
    return {"User-Agent": agent, "Accept": "application/json", "Accept-Encoding": "gzip"}


def _next(retry: urllib3.Retry, trouble: _Trouble) -> urllib3.Retry:
    try:
        return retry.increment("GET", error=trouble)
    except MaxRetryError:
        tries = len(retry.history) + 1
        raise Unavailable(
            f"{trouble}, in the last of {number_of(tries, 'attempt')}", trouble.unreachable
        ) from None


def pause_of(answer: urllib3.BaseHTTPResponse) -> float | None:
    """Return for how many seconds a server asks to be left alone, if it does."""
    try:
        seconds = urllib3.Retry().get_retry_after(answer)
    except InvalidHeader:
        return None
    return min(seconds, LONGEST_PAUSE) if seconds else None  # 0 would be no pause at all


def _text(error: Exception) -> str:
    """Return what an error of urllib3 says, without the object that it names first."""
    return re.sub(r"^HTTPS?Connection(Pool)?\(.*?\): ", "", str(error.args[0] if error.args else error))
