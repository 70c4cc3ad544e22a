"""The HTTP API's manners: what it lists, refuses, and lets others read."""

from __future__ import annotations

import json

import pytest

from tests.support.web import VOLUME, Server


def test_the_plugins_that_are_on_are_listed(web: Server) -> None:
    """Each ident answers, in JSON, CSV and JSON-P alike."""
    idents = web.get("/api/").json
    assert {"volume-1s", "volume-by-user-1m", "release-engineering-event-logs"} <= set(idents)
    assert web.get("/api/", Accept="text/csv").body.decode().split() == ["ident", *idents]
    script = web.get("/api/", {"callback": "f"}, Accept="*/*").body
    assert json.loads(script.removeprefix(b"f(").removesuffix(b");")) == idents
    for ident in idents:
        assert web.get(f"/api/{ident}").status == 200


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/nothing/layout", "/api/volume-1s/layout", "/api/a/b/c", "/api/%00%ff"]
)
def test_what_there_is_not_gets_404(path: str, web: Server) -> None:
    """An unknown ident, a layout that no plugin has, and any other path are told in one sentence."""
    reply = web.get(path)
    assert reply.status == 404
    assert reply.error


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str, web: Server) -> None:
    """Only GET and HEAD are answered."""
    reply = web.get(VOLUME, method=method)
    assert reply.status == 405
    assert sorted(reply.headers["Allow"].split(", ")) == ["GET", "HEAD"]
    assert reply.error


def test_head_gives_the_same_headers(web: Server) -> None:
    """HEAD is GET without the body."""
    got, head = web.get(VOLUME), web.get(VOLUME, method="HEAD")
    assert head.body == b""
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


def test_scripts_of_other_sites_may_read_answers(web: Server) -> None:
    """CORS: any origin, with all headers that matter; a browser that asks first is answered."""
    for path in (VOLUME, "/api/nothing", f"{VOLUME}?x=1"):
        reply = web.get(path, Origin="https://example.org")
        assert reply.headers.get_all("Access-Control-Allow-Origin") == ["*"]
        assert "Link" in reply.headers["Access-Control-Expose-Headers"]
    asked = {"Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "if-none-match"}
    reply = web.get(VOLUME, method="OPTIONS", Origin="https://example.org", **asked)
    assert reply.status == 200
    assert "if-none-match" in reply.headers["Access-Control-Allow-Headers"]
