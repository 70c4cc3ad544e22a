"""The read-only HTTP API: it reads tables, never plugins' queues.

`create_app` is a factory for any ASGI server, and `app` the application with this machine's configuration.
"""

from __future__ import annotations

from typing import Any

from statscache.web.application import create_app

__all__ = ["app", "create_app"]


def __getattr__(name: str) -> Any:
    """Make `app` when it is first asked for: importing the package reads no configuration."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()["app"] = app = create_app()
    return app
