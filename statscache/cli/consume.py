"""`statscache consume`: the daemon on queues of RabbitMQ."""

from __future__ import annotations

import logging
import logging.config
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click

from statscache.cli.terminal import complain
from statscache.configuration import fedmsg_config
from statscache.errors import Unusable

log = logging.getLogger(__name__)

#: The exit code of a daemon that cannot start, as the hub's.
FAILED = 1
FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


@click.command()
def consume() -> None:
    """Count what comes over AMQP.

    It is the daemon, as a process of its own: it takes messages from queues of RabbitMQ until it is told to end. Where
    the broker is and what the queues are it reads from the configuration of fedora-messaging.
    """
    try:
        _consume(fedmsg_config())
    except Unusable as reason:
        complain(str(reason))
        sys.exit(FAILED)
    except Exception as error:
        if getattr(error, "errno", None) is None:  # what the system refuses needs no traceback
            log.exception("statscache could not start")
        complain(f"could not start, {type(error).__name__}: {error}")
        sys.exit(FAILED)


def _consume(config: Mapping[str, Any]) -> None:
    set_up_logs(config)
    with needs_amqp():
        from statscache.amqp import run
    run(config)


@contextmanager
def needs_amqp() -> Iterator[None]:
    """Say what to install where what is done needs the extra for AMQP, and it is not there.

    :raises Unusable: then
    """
    logging.getLogger("pika").setLevel(logging.CRITICAL)  # all that matters of it we say ourselves
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("pika", "service_identity"):
            raise
        raise Unusable(f"{error.name} is not installed: install statscache[amqp]") from None


def set_up_logs(config: Mapping[str, Any]) -> None:
    """Log as fedmsg.d says, or else to standard error.

    :raises Unusable: if what it says cannot be used
    """
    handlers = logging.root.handlers[:]
    if "handlers" in config.get("logging", {}):
        try:
            # Loggers that are there already stay, as they do in the hub, which sets logs up before it loads us.
            logging.config.dictConfig({**config["logging"], "disable_existing_loggers": False})
        except (ValueError, TypeError, AttributeError, ImportError, KeyError) as error:
            raise Unusable(f"logging cannot be set up ({error}): correct it in fedmsg.d") from None
    if logging.root.handlers == handlers or not logging.root.handlers:
        logging.basicConfig(level=logging.INFO, format=FORMAT, force=True)
    logging.getLogger("statscache").setLevel(logging.INFO)
