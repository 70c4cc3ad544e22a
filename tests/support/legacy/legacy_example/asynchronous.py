"""A plugin of the asynchronous kind, which is gone."""

from statscache.plugins import AsyncPlugin


class Plugin(AsyncPlugin):
    pass
