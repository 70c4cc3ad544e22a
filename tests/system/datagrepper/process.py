"""The stand-in as a process of its own, so that it does not share a test's interpreter lock."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from tests.support.reference import Body
from tests.system.datagrepper.faults import Fault
from tests.system.datagrepper.stops import Where

ROOT = Path(__file__).parents[3]


class Process:
    """Runs ``python -m tests.system.datagrepper``; it takes the calls that an Archive takes, and ends with its parent.

    :param path: a file of JSON lines
    :param options: those of the command line, as `--faults 1`
    """

    def __init__(self, path: Path, *options: str) -> None:
        command = [
            sys.executable,
            "-m",
            "tests.system.datagrepper",
            str(path.resolve()),
            "--until-eof",
            *options,
        ]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            raise AssertionError(f"the stand-in ended with {self._process.wait()}")
        self.pid = self._process.pid

    def add(self, bodies: Iterable[Body], request: int = 0, instant: float = 0.0) -> None:
        """Take in messages that are there only from a request, counted from 1, and from an instant on."""
        self._call("add", bodies=list(bodies), request=request, instant=instant)

    def fail(self, fault: Fault | str, **rule: Any) -> int:
        """Let a `page` of a span fail, as an Archive does."""
        return int(self._call("fail", fault=fault, **rule))

    def lift(self, number: int | None = None) -> None:
        """Let pages fail no more: those of a rule, or all of them."""
        self._call("lift", number=number)

    def log(self) -> list[dict[str, Any]]:
        """Return the requests so far, as an Archive does."""
        return list(self._call("log"))

    def stop_at(self, number: int, where: Where | str = Where.BEFORE) -> None:
        """Hold up the request of that number before its answer, in the middle or after it, until released."""
        self._call("stop_at", number=number, where=where)

    def wait_for_stop(self, timeout: float = 30.0) -> bool:
        """Wait until a request is held up; False if none was for so many seconds."""
        return bool(self._call("wait_for_stop", timeout=timeout))

    def release(self) -> None:
        """Let go on what is held up, and hold up nothing more."""
        self._call("release")

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def _call(self, name: str, **arguments: Any) -> Any:
        url = self.url.removesuffix("/raw") + f"/control/{name}"
        with urlopen(Request(url, json.dumps(arguments).encode())) as answer:
            return json.load(answer)
