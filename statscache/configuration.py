"""The fedmsg configuration of this machine and directory."""

from __future__ import annotations

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


def _load_fedmsg_config() -> dict[str, Any]:
    from fedmsg import config as fedmsg  # only here: the hub hands its configuration over itself

    try:
        return dict(fedmsg.load_config([], None))
    except ValueError:  # no endpoints, which only a hub needs
        return {**fedmsg.defaults, **fedmsg.load_config([], None, disable_defaults=True)}
