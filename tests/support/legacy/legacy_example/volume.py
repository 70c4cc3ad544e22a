"""Volumes under labels of their own, in local time, counted by reading, adding and writing back."""

import collections
import copy
import datetime

import sqlalchemy as sa

from statscache.plugins import BaseModel, BasePlugin, Schedule


class DictMixin(object):
    def __init__(self, *args, **kwargs):
        super(DictMixin, self).__init__(*args, **kwargs)
        self._volumes = collections.defaultdict(int)

    def process(self, message):
        body = copy.deepcopy(message)
        body["seen"] = True
        when = datetime.datetime.fromtimestamp(message["timestamp"])
        self._volumes[self.schedule.next(now=when)] += 1

    def update(self, session):
        for when, volume in self._volumes.items():
            row = session.query(self.model).filter(self.model.timestamp == when).first()
            if row:
                row.volume += volume
            else:
                row = self.model(timestamp=when, volume=volume)
            session.add(row)
            session.commit()
        self._volumes.clear()


def factory(intervals):
    for interval in intervals:
        label = str(Schedule(interval, datetime.datetime(1970, 1, 1)))
        model = type(
            "Legacy" + label,
            (BaseModel,),
            {
                "__tablename__": "legacy_volume_" + label,
                "volume": sa.Column(sa.Integer, nullable=False),
            },
        )
        yield type(
            "LegacyVolume" + label,
            (DictMixin, BasePlugin),
            {
                "name": "legacy volume",
                "summary": "messages",
                "description": "messages in each window",
                "interval": interval,
                "model": model,
            },
        )


plugins = factory([datetime.timedelta(minutes=1), datetime.timedelta(days=1)])
