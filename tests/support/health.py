"""How a hub answers when it is asked whether it is well."""

from __future__ import annotations

import json
import re
import urllib.error
import urllib.request

from prometheus_client.parser import text_string_to_metric_families

from tests.support.hub import Hub, wait_for


def url_of(hub: Hub) -> str:
    """Return where the hub tells how it is."""
    return wait_for("the address", lambda: re.search(r"health endpoints: (\S+)/ready", hub.log))[1]


def get(url: str) -> tuple[int, str]:
    """Return the status and the body of what is at a URL."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def ready(hub: Hub) -> tuple[int, str, str]:
    """Return the code of /ready, its word, and what it says."""
    code, body = get(f"{url_of(hub)}/ready")
    answer = json.loads(body)
    return code, answer["status"], "; ".join(answer["causes"])


def samples(hub: Hub) -> dict[tuple[str, tuple[str, ...]], float]:
    """Return every sample of a scrape by its name and the values of its labels."""
    families = text_string_to_metric_families(get(f"{url_of(hub)}/metrics")[1])
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in families
        for sample in family.samples
    }


def wait_for_ready(hub: Hub) -> None:
    """Wait until the hub is ready."""
    wait_for("the hub to be ready", lambda: ready(hub) == (200, "ready", ""))
