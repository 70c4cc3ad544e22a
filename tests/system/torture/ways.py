"""How hubs and the suite reach a scenario's database: through a gate, and maybe a pooler, and past both."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import NullPool, create_engine, make_url

from tests.support.gate import Gate
from tests.support.pgbouncer import PgBouncer
from tests.system.torture.cluster import Cluster
from tests.system.torture.deadlocks import ServerLog
from tests.system.torture.pooler import SESSIONS, left_in_sessions
from tests.system.torture.scenario import Scenario
from tests.system.torture.server import Server


class Ways:
    """The ways to a database that is made for a scenario.

    :param server: where it is made, unless it gets servers of its own
    :param directory: of the scenario
    """

    def __init__(self, scenario: Scenario, server: Server, directory: Path) -> None:
        self._directory = directory
        self._server = server
        #: The database's name.
        self.database = f"torture_{directory.name.replace('-', '_')}"
        #: What stands in for the server where there is a standby, too.
        self.cluster = Cluster(directory, self.database) if scenario.replicated else None
        self._log, self._deadlocks = ServerLog(server.log), scenario.deadlocks
        url = self.server.database(self.database)
        if self.cluster:
            url = make_url(self.cluster.gate(directory / "admin").url)
        #: The suite's own way, which nothing is done to.
        self.admin = create_engine(url, poolclass=NullPool)
        #: The way of the hubs.
        self.gate = self._make_gate(directory / "gate")
        self._pooler = self._make_pooler(directory / "pooler") if scenario.pooled else None

    def _make_gate(self, directory: Path) -> Gate:
        if self.cluster:
            return self.cluster.gate(directory)
        directory.mkdir(parents=True)
        return Gate(self.admin.url, directory)

    def _make_pooler(self, directory: Path) -> PgBouncer:
        """Return a pooler before the gate, whose socket belongs to whom the pooler is to run as."""
        url = make_url(self.gate.url)
        owner = os.stat(str(self.admin.url.query["host"])).st_uid
        os.chown(str(url.query["host"]), owner, -1)
        directory.mkdir()
        return PgBouncer(url, directory, size=SESSIONS)

    @property
    def url(self) -> str:
        """The database's URL for the hubs."""
        return self._pooler.url if self._pooler else self.gate.url

    @property
    def server(self) -> Server:
        """The database's server."""
        return self.cluster.server if self.cluster else self._server

    def left(self) -> list[str]:
        """Return what is wrong that nobody sees in the tables: what is left in sessions of a pooler, and deadlocks."""
        left = left_in_sessions(self._pooler.url) if self._pooler else []
        logs = self.cluster.logs if self.cluster else [self._log]
        return left if self._deadlocks else [*left, *(found for log in logs for found in log.deadlocks())]

    def dump(self) -> Path:
        """Dump the database into a file, and return it."""
        path = self._directory / f"{len(list(self._directory.glob('*.dump')))}.dump"
        self.server.tool("pg_dump", "--format=custom", "--file", str(path), self.database)
        return path

    def close(self) -> None:
        """Close them, and remove the database."""
        if self._pooler:
            self._pooler.stop()
        self.gate.shut()
        self.admin.dispose()
        if self.cluster:
            self.cluster.close()
        else:
            self._server.drop(self.database)
