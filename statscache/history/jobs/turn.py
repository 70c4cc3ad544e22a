"""What only one of several processes has at a time."""

from __future__ import annotations

import os
from multiprocessing.context import BaseContext

TOKEN = b"t"


class Turn:
    """A byte in a pipe, which a process takes out and puts back. One that is killed meanwhile keeps it for ever.

    Unlike the locks of multiprocessing it leaves nothing behind, whatever ends the processes.
    """

    def __init__(self, context: BaseContext) -> None:
        self._taking, self._giving = context.Pipe(duplex=False)
        self.__exit__()

    def __enter__(self) -> None:
        os.read(self._taking.fileno(), len(TOKEN))

    def __exit__(self, *_: object) -> None:
        os.write(self._giving.fileno(), TOKEN)
