"""Why a message is in the quarantine."""

from __future__ import annotations

from dataclasses import dataclass

from statscache.errors import Unstorable, text_of, trace_of

#: So many tracebacks at most are kept of what a plugin's `process` raises in one flush.
TRACEBACKS = 100
#: The longest topic, error and traceback that are kept, in characters.
TOPIC, ERROR, TRACEBACK = 1_000, 2_000, 20_000


@dataclass(frozen=True)
class Failure:
    """Why a message is in the quarantine.

    :param trace: the traceback, empty where it tells nothing
    :param tried: False if the plugin was not even asked
    """

    error: str
    trace: str = ""
    tried: bool = True


def failure(error: BaseException, brief: bool = False) -> Failure:
    """Return what is kept of an error; without the traceback if it is to be brief, or tells nothing."""
    trace = "" if brief or isinstance(error, Unstorable) else trace_of(error)
    return Failure(printable(f"{type(error).__name__}: {text_of(error)}", ERROR), printable(trace, TRACEBACK))


def printable(text: str, length: int) -> str:
    """Return the text, shortened, with what PostgreSQL cannot hold as escapes."""
    kept = text if len(text) <= length else text[: length - 4] + " ..."
    return kept.encode("utf-8", "backslashreplace").decode().replace("\0", "\\x00")
