"""The bytes of an answer, and how its connection ends."""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from email.utils import formatdate
from enum import Enum, auto
from http import HTTPStatus
from typing import Any

from tests.system.datagrepper.faults import Fault, Faults

GATEWAY = b"<html><head><title>502 Proxy Error</title></head><body><h1>Proxy Error</h1></body></html>"


class End(Enum):
    """What becomes of the connection after an answer."""

    KEPT = auto()
    CLOSED = auto()
    RESET = auto()


@dataclass(frozen=True)
class Answer:
    """What is written.

    :param wait: for how many seconds nothing is written; infinity for always
    """

    data: bytes = b""
    end: End = End.KEPT
    wait: float = 0.0


def whole(status: int, content: bytes, kind: str = "application/json", **headers: str) -> bytes:
    """Return a head and its content."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Date: {formatdate(usegmt=True)}"]
    lines += [f"Content-Type: {kind}", f"Content-Length: {len(content)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + content


def encoded(value: Any, status: int = 200) -> Answer:
    """Return an answer with a JSON value."""
    return Answer(whole(status, json.dumps(value).encode()))


def spoiled(fault: Fault | None, page: bytes, faults: Faults) -> Answer:
    """Return the answer with a page, or what a fault makes of it."""
    good = whole(200, page)
    match fault:
        case None:
            return Answer(good)
        case Fault.SLOW:
            return Answer(good, wait=faults.delay)
        case Fault.SILENT:
            return Answer(wait=math.inf)
        case Fault.RESET:
            return Answer(end=End.RESET)
        case Fault.SHORT:
            return Answer(good[: -len(page) // 2], End.CLOSED)
        case Fault.CUT:
            return Answer(whole(200, page[: len(page) // 2]))
        case _:
            return _refused(fault, faults.retry_after)


def _refused(fault: Fault, retry_after: int) -> Answer:
    if fault is Fault.BAD_GATEWAY:
        return Answer(whole(502, GATEWAY, "text/html"))
    if fault is Fault.ERROR:
        return encoded({"error": "canceling statement due to statement timeout"}, 500)
    dated = formatdate(math.ceil(time.time()) + retry_after, usegmt=True)
    pause = dated if fault is Fault.THROTTLED_DATE else str(retry_after)
    return Answer(whole(429, b'{"error": "too many requests"}', Retry_After=pause))
