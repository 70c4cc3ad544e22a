"""What the pagure plugins share."""

from __future__ import annotations

import re

from statscache_plugins.windowed import WindowedPlugin


class PagurePluginMixin(WindowedPlugin):
    """The kind that counts contributions on pagure.io; a plugin's `process` says under which keys."""

    topics = re.compile(r"io\.pagure\.prod")
