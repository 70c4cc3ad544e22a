"""The rows of a table in each form that the API gives."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.support.categories import PATH, Made, many_rows
from tests.support.web import Client


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """An API on 1,300 rows of eight categories."""
    with many_rows(server, tmp_path_factory.mktemp("rows")) as made:
        yield made


@pytest.mark.slow
def test_csv_has_the_same_rows(made: Made) -> None:
    """A line of titles, instants in ISO 8601, and links as in JSON."""
    reply = made.web.get(PATH, {"rows_per_page": 50}, Accept="text/csv")
    assert reply.headers["Content-Type"] == "text/csv; charset=utf-8; header=present"
    titles, *lines = csv.reader(io.StringIO(reply.body.decode(), newline=""))
    assert titles == ["timestamp", "category", "volume"]
    found = [(int(datetime.fromisoformat(line[0]).timestamp()), line[1], int(line[2])) for line in lines]
    assert found == made.rows[:50]
    assert lines[0][0] == datetime.fromtimestamp(made.rows[0][0], UTC).isoformat().replace("+00:00", "Z")
    assert made.web.get(reply.links["next"], Accept="text/csv").status == 200


def test_json_p_is_the_same_json_in_a_call(made: Made) -> None:
    """The function is called with what JSON would be."""
    plain = made.web.get(PATH, {"limit": 5})
    script = made.web.get(PATH, {"limit": 5, "callback": "a.b$_1"}, Accept="*/*")
    assert script.body == b"a.b$_1(" + plain.body + b");"
    assert json.loads(plain.body) == script_rows(made.web)


def script_rows(web: Client) -> Any:
    body = web.get(PATH, {"limit": 5, "callback": "f"}, Accept="*/*").body
    return json.loads(body.removeprefix(b"f(").removesuffix(b");"))
