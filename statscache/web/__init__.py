"""The read-only HTTP API: it reads tables, never plugins' queues.

`create_app` is a factory for any ASGI server; `statscache.web.asgi:app` is what it makes.
"""

from statscache.web.application import create_app

__all__ = ["create_app"]
