"""Asks a daemon for its state."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

#: How long in seconds a daemon may take to answer.
PATIENCE = 3.0


@dataclass(frozen=True)
class DaemonReport:
    """What a daemon reports about itself.

    :param status: as /ready has it
    :param metrics: the samples of a scrape, by the name and the value of the only label, empty where there is none
    :param database: the id of the database that it writes to, None while it starts
    :param waiting: how many messages wait in each queue of the broker, a sentence for each
    :param standby: what another daemon consumes, for which it stands by, a sentence for each
    """

    status: str
    causes: Sequence[str]
    metrics: Mapping[tuple[str, str], float]
    database: str | None = None
    waiting: Sequence[str] = ()
    standby: Sequence[str] = ()

    def get(self, name: str, label: str = "") -> float | None:
        """Return a sample, None if there is none."""
        return self.metrics.get((name, label))

    def is_of_another(self, database: str | None) -> bool:
        """Return whether it writes to another database than that of this id, as far as both are known."""
        return database is not None and self.database not in (None, database)


def ask(address: str) -> DaemonReport:
    """Ask a daemon for its state.

    :raises OSError: if no daemon answers
    """
    try:
        told = json.loads(_get(address, "/ready")[1])
        scrape = _get(address, "/metrics")[1]
        families = text_string_to_metric_families(scrape)
        metrics = {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in families
            for sample in family.samples
            if len(sample.labels) < 2
        }
        causes, waiting, standby = (
            list(map(str, texts))
            for texts in (told["causes"], told.get("waiting", ()), told.get("standby", ()))
        )
        return DaemonReport(str(told["status"]), causes, metrics, told.get("database"), waiting, standby)
    except (http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        raise OSError(f"what answers is not a statscache daemon: {error}") from None


def _get(address: str, path: str) -> tuple[int, str]:
    # A daemon may listen on all addresses, at which nobody can ask.
    host, _, port = address.rpartition(":")
    reached = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{reached}:{port}{path}", timeout=PATIENCE) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
