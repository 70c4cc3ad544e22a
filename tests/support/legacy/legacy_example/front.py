"""A front that loads the modules of a folder, and lets the plugin in each write its rows.

Changed as the documentation says: it imports the modules by `importlib` instead of the importer's `find_module`, and
writes its rows out itself instead of by the model's `columns`.
"""

import importlib
import os.path
import pkgutil

from statscache.plugins import BasePlugin, CategorizedModel


class Model(CategorizedModel):
    __tablename__ = "legacy_front"


class Plugin(BasePlugin):
    name = "legacy.front, of parts"
    summary = "messages by part"
    description = "messages that each part has counted"
    model = Model

    def __init__(self, *args, **kwargs):
        super(Plugin, self).__init__(*args, **kwargs)
        self._plugins = []
        folder = os.path.join(os.path.dirname(__file__), "parts")
        for importer, name, _ in pkgutil.iter_modules([folder]):
            module = importlib.import_module("{}.parts.{}".format(__package__, name))
            self._plugins.append(module.Plugin(self.schedule, self.config, self.model))

    def process(self, message):
        for plugin in self._plugins:
            plugin.process(message)

    def update(self, session):
        for plugin in self._plugins:
            plugin.update(session)
