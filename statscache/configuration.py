"""The fedmsg configuration of this machine and directory."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from statscache.errors import Unusable


def fedmsg_config() -> dict[str, Any]:
    """Return the fedmsg configuration of this machine and directory, fedmsg's defaults where there is none.

    :raises Unusable: if a file of it cannot be read
    """
    try:
        return _load_fedmsg_config()
    except (Exception, SystemExit) as error:  # noqa: BLE001  the files are programs, which can fail in any way
        reason = (
            f"{type(error).__name__}: {error}"  # unlike its repr, without the line, which may hold a password
        )
        raise Unusable(
            f"the fedmsg configuration cannot be read ({reason}): correct the file in fedmsg.d"
        ) from None


def configuration_files() -> list[Path]:
    """Return the files of the fedmsg configuration, in the order in which later ones override earlier ones."""
    machine, user, here = Path("/etc"), Path("~").expanduser(), Path.cwd()
    folders = [machine / "fedmsg.d", user / ".fedmsg.d", here / "fedmsg.d"]
    if "VIRTUAL_ENV" in os.environ:
        folders.append(Path(os.environ["VIRTUAL_ENV"]) / "etc" / "fedmsg.d")
    inside = [path for folder in folders for path in sorted(folder.glob("*.py"))]
    single = [machine / "fedmsg-config.py", user / ".fedmsg-config.py", here / "fedmsg-config.py"]
    return [path for path in (*inside, *single) if path.is_file()]


def read_file(path: Path) -> dict[Any, Any]:
    """Return what one of the files configures.

    :raises Unusable: if it cannot be read
    """
    variables: dict[str, Any] = {}
    try:
        exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), variables)
    except (Exception, SystemExit) as error:  # noqa: BLE001  the files are programs, which can fail in any way
        raise Unusable(f"{path} cannot be read ({type(error).__name__}: {error}): correct it") from None
    found = variables.get("config")
    if not isinstance(found, dict):
        raise Unusable(f"{path} defines no dict `config`: correct it, or remove it from there")
    return found


def _load_fedmsg_config() -> dict[str, Any]:
    from fedmsg import config as fedmsg  # only here: the hub hands its configuration over itself

    try:
        return dict(fedmsg.load_config([], None))
    except ValueError:  # no endpoints, which only a hub needs
        return {**fedmsg.defaults, **fedmsg.load_config([], None, disable_defaults=True)}
