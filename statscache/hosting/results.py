"""What a plugin's methods give back, which should be nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Coroutine, Generator
from inspect import isasyncgenfunction, iscoroutinefunction, isgeneratorfunction
from typing import Any

#: What a call gives whose body has not run.
PROMISES = (Awaitable, Generator, AsyncIterator)


def check_result(result: Any) -> None:
    """Check that a call has done what it should, and not only promised to.

    :raises TypeError: if nobody has run its body
    """
    if isinstance(result, PROMISES):
        if isinstance(result, Coroutine):
            result.close()  # or Python warns that nobody has awaited it
        raise TypeError(f"it gave a {type(result).__name__}, so that its body has not run: {ADVICE}")


def check_method(method: Any, name: str) -> None:
    """Check that a method's body runs when it is called.

    :raises TypeError: if it does not
    """
    for kind, test in KINDS.items():
        if test(method):
            raise TypeError(f"its {name} is {kind}, so that calling it does nothing: {ADVICE}")


ADVICE = "define it with def, without yield and await"
KINDS = {
    "a coroutine function": iscoroutinefunction,
    "a generator function": isgeneratorfunction,
    "an asynchronous generator function": isasyncgenfunction,
}
