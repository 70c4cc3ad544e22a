"""What the suite tells a process to do to itself, and when."""

from __future__ import annotations

import functools
import json
import os
import signal
from pathlib import Path
from typing import Any

#: The file in which it is told.
ORDER = "order.json"


class Orders:
    """What the suite has told this process to do, and when."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / ORDER
        self._step = ""
        self._left = 0
        self._signal: int = signal.SIGKILL

    def read(self, *_: Any) -> None:
        """Read the order, if there is one."""
        if self._path.exists():
            order = json.loads(self._path.read_text())
            self._left, self._signal = order["n"], order["signal"]
            self._step = order["step"]
            self._path.unlink()

    def due(self, step: str) -> bool:
        """Return whether the order is to be carried out at this step."""
        if step != self._step:
            return False
        self._left -= 1
        return self._left <= 0

    def carry_out(self) -> None:
        """Die or freeze."""
        self._step = ""
        os.kill(os.getpid(), self._signal)

    def reach(self, step: str) -> None:
        """Die or freeze here if that is the order."""
        if self.due(step):
            self.carry_out()


def wrap(orders: Orders, step: str, owner: Any, name: str) -> None:
    """Put a step before and after a function."""
    inner = getattr(owner, name)

    @functools.wraps(inner)
    def wrapped(*args: Any, **extra: Any) -> Any:
        orders.reach(f"before {step}")
        result = inner(*args, **extra)
        orders.reach(f"after {step}")
        return result

    setattr(owner, name, wrapped)
