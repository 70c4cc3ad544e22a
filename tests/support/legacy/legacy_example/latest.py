"""The latest message of each topic, as JSON in a text."""

import datetime
import json

from statscache.plugins import BasePlugin, ConstrainedCategorizedLogModel


class Model(ConstrainedCategorizedLogModel):
    __tablename__ = "legacy_latest"


class Plugin(BasePlugin):
    name = "legacy latest"
    summary = "latest messages"
    description = "the latest message of each topic"
    model = Model

    def __init__(self, *args, **kwargs):
        super(Plugin, self).__init__(*args, **kwargs)
        self._seen = {}
        self._queue = {}

    def process(self, message):
        topic = message["topic"]
        when = datetime.datetime.fromtimestamp(message["timestamp"])
        if topic in self._seen and when <= self._seen[topic]:
            return
        self._seen[topic] = when
        self._queue[topic] = (when, json.dumps({"id": message.get("msg_id"), "msg": message["msg"]}))

    def update(self, session):
        for topic, (when, text) in self._queue.items():
            found = session.query(self.model).filter(self.model.category == topic)
            row = found.filter(self.model.category_constraint == "latest").first()
            if row:
                row.timestamp = when
                row.message = text
            else:
                row = self.model(timestamp=when, category=topic, category_constraint="latest", message=text)
            session.add(row)
        session.commit()
        self._queue.clear()
