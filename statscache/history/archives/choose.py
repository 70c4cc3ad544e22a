"""Which archive is meant."""

from __future__ import annotations

from statscache.errors import StatscacheError
from statscache.history.archives.archive import Archive
from statscache.history.archives.datagrepper.slices import Datagrepper
from statscache.history.archives.datanommer import Datanommer
from statscache.settings import Settings


def archive_of(settings: Settings, url: str | None) -> Archive:
    """Return the archive at a URL, or the datagrepper of the settings.

    :param url: of a datagrepper (http, https) or of a datanommer's database (postgresql)
    :raises StatscacheError: if it is neither, or there is none in the settings
    """
    url = url or settings.datagrepper_endpoint
    if not url:
        raise StatscacheError(
            "there is no archive to read: set statscache.datagrepper.endpoint in fedmsg.d, or name one with --from"
        )
    if url.startswith(("http://", "https://")):
        return Datagrepper(url, settings.datagrepper_connections)
    if url.startswith(("postgresql://", "postgres://", "postgresql+psycopg2://")):
        return Datanommer(url)
    raise StatscacheError(
        "--from must be an https:// URL of a datagrepper or a postgresql:// URL of a datanommer"
    )
