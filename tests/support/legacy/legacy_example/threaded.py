"""Another, which imports it from where it was."""

from statscache.plugins.threads import Future  # noqa: F401


class Plugin:
    pass
