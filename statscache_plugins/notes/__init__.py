"""What the bus tells of releases, outages and composes."""

from __future__ import annotations

from statscache.plugins import Message, Note, NoteModel, NotePlugin
from statscache_plugins.notes.sources import TOPICS, source_of


class BusNote(NoteModel):
    """Releases, outages and finished composes that the bus told of, which charts show beside figures."""

    __tablename__ = "data_note"


class Plugin(NotePlugin):
    """Notes what charts should show beside figures."""

    name = "notes from the bus"
    summary = "Releases, outages and finished composes"
    description = (
        "When a release was announced, an outage was announced, or a compose was finished: what charts show as lines "
        "beside figures."
    )
    model = BusNote
    topics = TOPICS

    def note_of(self, message: Message) -> Note | None:
        return source_of(message.topic)(message)
