"""What fedora-messaging's own publisher sends counts as it says."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.support.consumer import Consumer
from tests.support.hub import wait_for
from tests.support.rabbitmq import Broker

#: It has an environment of its own, which `make dev` makes: it is no part of statscache, and under another licence.
PYTHON = Path(sys.prefix) / "publisher" / "bin" / "python"
SCRIPT = """
import sys
from fedora_messaging import api, message

class Edit(message.Message):
    @property
    def usernames(self):
        return [self.body["agent"]]

    @property
    def packages(self):
        return ["kernel"]

message._class_to_schema_name[Edit] = "edit"
for number in range(20):
    body = {"agent": f"user{number % 4}", "n": number}
    api.publish(Edit(topic="org.fedoraproject.prod.wiki.article.edit", body=body), exchange=sys.argv[1])
"""
COUNTS = {
    "SELECT username, sum(volume) FROM data_volume_by_user_1m GROUP BY 1": {f"user{n}": 5 for n in range(4)},
    "SELECT package, sum(volume) FROM data_volume_by_package_1m GROUP BY 1": {"kernel": 20},
    "SELECT category, sum(volume) FROM data_volume_by_category_1m GROUP BY 1": {"wiki": 20},
}


@pytest.mark.skipif(
    not PYTHON.exists(), reason="needs fedora-messaging, in the environment that `make dev` makes"
)
def test_what_fedora_messaging_publishes_is_counted(
    start: Callable[..., Consumer], broker: Broker, exchange: str, engine: Engine, tmp_path: Path
) -> None:
    """By user and package as its headers name them, at the second that it was sent."""
    start().wait_until_running()
    configuration = tmp_path / "publisher.toml"
    configuration.write_text(f'amqp_url = "{broker.url}"\n', encoding="utf-8")
    done = subprocess.run(
        [str(PYTHON), "-c", SCRIPT, exchange],
        env={"FEDORA_MESSAGING_CONF": str(configuration)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr

    def counts(query: str) -> dict[str, int]:
        with engine.connect() as connection:
            return {key: int(number) for key, number in connection.execute(text(query))}

    for query, expected in COUNTS.items():
        wait_for(json.dumps(expected), lambda: counts(query) == expected)  # noqa: B023  called at once
