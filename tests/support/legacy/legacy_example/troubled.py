"""Plugins with every kind of trouble."""

import datetime

import sqlalchemy as sa

from statscache.plugins import BaseModel, BasePlugin


class PickyModel(BaseModel):
    __tablename__ = "legacy_picky"
    volume = sa.Column(sa.Integer)


class Picky(BasePlugin):
    """Raises for every seventh message, having counted it half."""

    name = "legacy picky"
    summary = description = "messages, but for every seventh"
    model = PickyModel

    def __init__(self, *args, **kwargs):
        super(Picky, self).__init__(*args, **kwargs)
        self._volume = 0

    def process(self, message):
        self._volume += 1
        if message["i"] % 7 == 0:
            raise ValueError("a seventh")

    def update(self, session):
        session.add(self.model(timestamp=datetime.datetime.now(), volume=self._volume))
        session.commit()
        self._volume = 0


class StubbornModel(BaseModel):
    __tablename__ = "legacy_stubborn"


class Stubborn(Picky):
    name = "legacy stubborn"
    model = StubbornModel

    def process(self, message):
        pass

    def update(self, session):
        session.add(self.model(timestamp=datetime.datetime.now()))
        session.commit()
        raise RuntimeError("never")


class SwallowerModel(BaseModel):
    __tablename__ = "legacy_swallower"


class Swallower(Stubborn):
    name = "legacy swallower"
    model = SwallowerModel

    def update(self, session):
        try:
            session.execute(sa.text("SELECT * FROM no_such_table"))
        except Exception:
            pass
        session.execute(sa.text("SET LOCAL work_mem = '1MB'"))


class Nameless(BasePlugin):
    name = "nameless"


class NotAPlugin(object):
    pass
