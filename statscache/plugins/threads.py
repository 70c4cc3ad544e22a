"""Where statscache 0.0.4 had its asynchronous plugins, which are gone: importing it says so."""

from statscache.plugins import gone

raise gone(__name__)
