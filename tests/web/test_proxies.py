"""The HTTP API behind a proxy: the paths and hosts it names are those that clients ask."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.support.commands import NOWHERE
from tests.support.place import Place
from tests.support.web import VOLUME, Server

EVIL = {"Host": "evil.example", "X_Forwarded_Host": "evil.example"}


@pytest.fixture(scope="module")
def proxied(made: tuple[Engine, Server], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The same API as `web`, for a proxy that shows it under a path."""
    url = made[0].url.render_as_string(hide_password=False)
    server = Server(tmp_path_factory.mktemp("proxied"), url, web__root_path="/stats/x/")
    yield server
    assert server.end() == (0, "")


@pytest.mark.parametrize("path", [VOLUME, f"/stats/x{VOLUME}"])
def test_links_have_the_prefix_whether_the_proxy_cuts_it_off_or_not(path: str, proxied: Server) -> None:
    """And the name that the proxy was asked by."""
    told = {"X_Forwarded_Host": "stats.example", "X_Forwarded_Proto": "https"}
    link = proxied.get(path, {"limit": 120}, **told).headers["Link"]
    assert link.startswith(f"<https://stats.example/stats/x{VOLUME}?limit=120&cursor=")
    assert proxied.get("/statsy/api/").status == 404


def test_a_trusted_proxy_may_say_the_prefix(web: Server) -> None:
    """In X-Forwarded-Prefix, of which nonsense has no effect."""
    link = web.get(VOLUME, X_Forwarded_Prefix="/a/b/").headers["Link"]
    assert link.startswith(f"<http://127.0.0.1:{web.port}/a/b{VOLUME}?cursor=")
    link = web.get(VOLUME, X_Forwarded_Prefix="//evil.example").headers["Link"]
    assert link.startswith(f"<http://127.0.0.1:{web.port}{VOLUME}?cursor=")


def test_whoever_is_not_trusted_is_not_believed(made: tuple[Engine, Server], tmp_path: Path) -> None:
    """Neither its X-Forwarded headers nor, in an answer that leads elsewhere, its Host."""
    url = made[0].url.render_as_string(hide_password=False)
    web = Server(tmp_path, url, web__proxies=["192.0.2.0/24"], web__rate=1)
    link = web.get(VOLUME, X_Forwarded_Host="evil.example", X_Forwarded_Prefix="/x").headers["Link"]
    assert link.startswith(f"<http://127.0.0.1:{web.port}{VOLUME}?cursor=")
    codes = {web.get(VOLUME, {"limit": n}, X_Forwarded_For=f"192.0.2.{n}").status for n in range(1, 6)}
    assert codes == {200, 429}
    assert web.end() == (0, "")


def test_clients_behind_a_trusted_proxy_are_told_apart(made: tuple[Engine, Server], tmp_path: Path) -> None:
    """By the nearest address that is not a proxy's."""
    url = made[0].url.render_as_string(hide_password=False)
    web = Server(tmp_path, url, web__rate=1)
    codes = [
        web.get(VOLUME, {"limit": n}, X_Forwarded_For=f"10.9.9.9, 192.0.2.{n}, 127.0.0.1").status
        for n in range(1, 6)
    ]
    assert codes == [200] * 5
    codes = [
        web.get(VOLUME, {"limit": n}, X_Forwarded_For=f"10.9.9.{n}, 192.0.2.1").status for n in range(6, 11)
    ]
    assert 429 in codes
    assert web.end() == (0, "")


@pytest.mark.parametrize(("path", "location"), [("/api", "api/"), ("/api?callback=f", "api/?callback=f")])
def test_a_redirect_names_no_host(path: str, location: str, web: Server) -> None:
    """Whatever Host the client names, and where none is needed there is none."""
    reply = web.get(path, **EVIL)
    assert (reply.status, reply.headers["Location"]) == (307, location)
    for other in (f"{VOLUME}/", "/api/openapi.json/", "/api//", "//evil.example/api"):
        reply = web.get(other, **EVIL)
        assert (reply.status, reply.headers["Location"]) == (404, None)


def test_a_prefix_that_is_none_is_refused(tmp_path: Path) -> None:
    """In one line, as an option and as a setting; so is a proxy that is no address."""
    place = Place(tmp_path, NOWHERE)
    code, _, errors = place.run("serve", "--root-path", "stats")
    assert (code, errors) == (
        2,
        "statscache: --root-path must be a path such as '/statistics', or '' for none, not 'stats'\n",
    )
    place.configure({"statscache.web.proxies": ["proxy.example"]})
    code, _, errors = place.run("serve")
    assert (code, errors.count("\n")) == (2, 1)
    assert errors.startswith("statscache: statscache.web.proxies must be a list of addresses and networks")
