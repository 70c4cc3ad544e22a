"""The application with this machine's configuration, for servers that want one rather than a factory."""

from __future__ import annotations

from statscache.web.application import create_app

app = create_app()
