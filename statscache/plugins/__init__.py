"""All that the author of a plugin imports.

A plugin is a class that extends `BasePlugin`, or one of the kinds `CountingPlugin`, `MeasuringPlugin`,
`DurationPlugin`, `FirstSeenPlugin`, `LatestPlugin` and `NotePlugin`, named by an entry point of the group
``statscache.plugin``; an entry point may also name an iterable of classes.
"""

from typing import NoReturn

from statscache.database.model import Base
from statscache.errors import Unstorable
from statscache.messages.message import Message
from statscache.plugins.base import BasePlugin, Umbrella
from statscache.plugins.counting import CountingPlugin, CountModel, counting_model
from statscache.plugins.duration_models import DurationModel, duration_model
from statscache.plugins.durations import DurationPlugin
from statscache.plugins.first_seen import FirstSeenModel, FirstSeenPlugin, first_seen_model
from statscache.plugins.keys import LONGEST_KEY
from statscache.plugins.latest import LatestModel, LatestPlugin
from statscache.plugins.measuring import MeasureModel, MeasuringPlugin, measuring_model
from statscache.plugins.models import (
    BaseModel,
    CategorizedLogModel,
    CategorizedModel,
    ConstrainedCategorizedLogModel,
    ScalarModel,
)
from statscache.plugins.notes import Note, NoteModel, NotePlugin
from statscache.plugins.queue import Queue
from statscache.plugins.rows import Rows
from statscache.plugins.schedule import Schedule

__all__ = [
    "LONGEST_KEY",
    "Base",
    "BaseModel",
    "BasePlugin",
    "CategorizedLogModel",
    "CategorizedModel",
    "ConstrainedCategorizedLogModel",
    "CountModel",
    "CountingPlugin",
    "DurationModel",
    "DurationPlugin",
    "FirstSeenModel",
    "FirstSeenPlugin",
    "LatestModel",
    "LatestPlugin",
    "MeasureModel",
    "MeasuringPlugin",
    "Message",
    "Note",
    "NoteModel",
    "NotePlugin",
    "Queue",
    "Rows",
    "ScalarModel",
    "Schedule",
    "Umbrella",
    "Unstorable",
    "counting_model",
    "duration_model",
    "first_seen_model",
    "measuring_model",
]

ASYNCHRONOUS = ("AsyncPlugin", "Future", "launch")


def gone(name: str) -> ImportError:
    """Return the error for who imports the asynchronous part of statscache 0.0.4."""
    return ImportError(
        f"{name} was removed with the asynchronous plugins of statscache 0.0.4: "
        "extend BasePlugin and do the work in update(session)"
    )


def __getattr__(name: str) -> NoReturn:
    if name in ASYNCHRONOUS:
        raise gone(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
