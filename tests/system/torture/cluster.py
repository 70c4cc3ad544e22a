"""A primary and its asynchronous standby, of which the one is killed and the other promoted, again and again."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text

from tests.support.gate import Gate
from tests.system.torture.deadlocks import ServerLog
from tests.system.torture.server import Server


class Cluster:
    """The servers of a scenario with failovers.

    :param directory: where their data lies
    :param database: the database's name
    """

    def __init__(self, directory: Path, database: str) -> None:
        self._directory = directory
        self._name = database
        self._count = 0
        self.server = Server(directory / "server-0")
        self._standby: Server | None = None
        self._gates: list[Gate] = []
        self._dead: list[Server] = []

    def gate(self, directory: Path) -> Gate:
        """Make a gate before the database, behind which lies whatever is the primary."""
        directory.mkdir(parents=True)
        self._gates.append(Gate(self.url, directory))
        return self._gates[-1]

    @property
    def url(self) -> URL:
        """The database's URL on the present primary."""
        return self.server.url(self._name)

    @property
    def logs(self) -> list[ServerLog]:
        """The logs of all that were the primary."""
        return [ServerLog(server.log, whole=True) for server in (*self._dead, self.server)]

    def scalar(self, query: str) -> int:
        """Return what a query gives on the present primary."""
        engine = create_engine(self.url, poolclass=NullPool)
        with engine.connect() as connection:
            return int(connection.scalar(text(query)) or 0)

    def prepare(self) -> None:
        """Make a standby, unless there is one."""
        if self._standby is None:
            self._count += 1
            self._standby = self.server.standby(self._directory / f"server-{self._count}")

    def detach(self) -> None:
        """Let the standby receive nothing more: what is committed from now on will be lost."""
        assert self._standby is not None
        self._standby.leave_primary()

    def fail_over(self) -> None:
        """Kill the primary and promote the standby; the gates still lead to the dead one."""
        assert self._standby is not None
        self.server.kill()
        self._dead.append(self.server)
        self.server, self._standby = self._standby, None
        self.server.promote()

    def move(self) -> None:
        """Let the gates lead to the present primary."""
        for gate in self._gates:
            gate.move(self.url)

    def close(self) -> None:
        """Stop all servers and remove their data."""
        for server in (*self._dead, self.server, *filter(None, [self._standby])):
            server.remove()
