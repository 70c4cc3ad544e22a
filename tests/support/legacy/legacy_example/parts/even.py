import datetime

from statscache.plugins import BasePlugin


class Plugin(BasePlugin):
    name = "legacy front, even"
    summary = "even messages"
    description = "messages with an even number"
    rest = 0

    def __init__(self, *args, **kwargs):
        super(Plugin, self).__init__(*args, **kwargs)
        self._times = []

    def process(self, message):
        if message["msg"]["n"] % 2 == self.rest:
            self._times.append(datetime.datetime.fromtimestamp(message["timestamp"]))

    def update(self, session):
        for when in self._times:
            session.add(self.model(timestamp=when, category=self.name, scalar=1))
        session.commit()
        self._times = []
