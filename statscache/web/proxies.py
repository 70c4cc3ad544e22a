"""What a proxy before the API says of a request, and the path under which it shows the API."""

from __future__ import annotations

import re
from collections.abc import Iterable
from ipaddress import ip_address, ip_network
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from statscache.setting.types import PATH

#: A name or an address, and a port.
HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
SCHEMES = ("http", "https")


class Proxies:
    """Makes a request what it was before proxies passed it on.

    Where the other end is a proxy that is trusted, X-Forwarded-For, -Proto, -Host and -Prefix tell that; from anybody
    else they have no effect. A proxy may cut the path's prefix off or leave it on.

    :param trusted: the networks of the proxies
    :param root_path: the prefix; empty for that of X-Forwarded-Prefix
    """

    def __init__(self, app: ASGIApp, trusted: Iterable[str], root_path: str) -> None:
        self._app = app
        self._trusted = [ip_network(name) for name in trusted]
        self._root_path = root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope = self._original(scope)
        await self._app(scope, receive, send)

    def _original(self, scope: Scope) -> Scope:
        forwarded = _forwarded(scope) if self._trusts(_peer(scope)) else {}
        changed: dict[str, Any] = {}
        if client := self._client(forwarded.get("for", "")):
            changed["client"] = (client, 0)
        if (scheme := _last(forwarded.get("proto", ""))) in SCHEMES:
            changed["scheme"] = scheme
        if HOST.fullmatch(host := _last(forwarded.get("host", ""))):
            others = [pair for pair in scope["headers"] if pair[0] != b"host"]
            changed["headers"] = [*others, (b"host", host.encode())]
        prefix = self._root_path or _last(forwarded.get("prefix", "")).removesuffix("/")
        if prefix and PATH.fullmatch(prefix):
            path = scope["path"]
            inside = path == prefix or path.startswith(f"{prefix}/")
            changed |= {"root_path": prefix, "path": path if inside else prefix + path}
        return {**scope, **changed}

    def _client(self, forwarded: str) -> str:
        """Return the nearest address that is not of a trusted proxy, empty if none is named."""
        hosts = [_address(part) for part in forwarded.split(",") if part.strip()]
        return next((host for host in reversed(hosts) if not self._trusts(host)), hosts[0] if hosts else "")

    def _trusts(self, host: str) -> bool:
        try:
            address = ip_address(host)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def _peer(scope: Scope) -> str:
    return str(scope["client"][0]) if scope.get("client") else ""


def _forwarded(scope: Scope) -> dict[str, str]:
    """Return the values of the X-Forwarded headers, by the ends of their names."""
    found: dict[str, list[str]] = {}
    for name, value in scope["headers"]:
        if name.startswith(b"x-forwarded-"):
            found.setdefault(name.removeprefix(b"x-forwarded-").decode("latin-1"), []).append(
                value.decode("latin-1")
            )
    return {name: ",".join(values) for name, values in found.items()}


def _last(values: str) -> str:
    """Return what the nearest proxy says: what stands before it may be the client's own."""
    return values.rpartition(",")[2].strip()


def _address(text: str) -> str:
    """Return an address without its port."""
    text = text.strip()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0] if text.count(":") == 1 else text
