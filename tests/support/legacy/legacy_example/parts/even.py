import datetime

from statscache.plugins import BasePlugin


class Plugin(BasePlugin):
    name = "legacy front, even"
    summary = "even messages"
    description = "messages with an even number"
    rest = 0

    def __init__(self, *args, **kwargs):
        super(Plugin, self).__init__(*args, **kwargs)
        self._count = 0

    def process(self, message):
        self._count += message["i"] % 2 == self.rest

    def update(self, session):
        session.add(self.model(timestamp=datetime.datetime.now(), category=self.name, scalar=self._count))
        session.commit()
        self._count = 0
