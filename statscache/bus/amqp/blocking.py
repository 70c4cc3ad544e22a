"""A connection to the broker that waits for each answer, as commands need it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pika
from pika.exceptions import AMQPConnectionError, AMQPError

from statscache.bus.amqp.configuration import AmqpConfiguration, Tls
from statscache.bus.amqp.parameters import loaded, name_of, parameters_of
from statscache.bus.amqp.refusals import Words
from statscache.errors import Unusable

#: How long in seconds the broker may take to let us in, and to read on what we send.
PATIENCE_S = 10.0


@contextmanager
def connected(configuration: AmqpConfiguration) -> Iterator[pika.BlockingConnection]:
    """Give a connection, for nothing but the broker: each of its errors is told as the broker's.

    :raises Unusable: if there can be none, or the broker refuses what is asked of it
    """
    parameters = parameters_of(configuration)
    parameters.socket_timeout = parameters.stack_timeout = parameters.blocked_connection_timeout = PATIENCE_S
    if parameters.ssl_options is not None:
        parameters.ssl_options = pika.SSLOptions(_context(configuration.tls), parameters.host)
    words = Words(name_of(parameters), parameters)
    try:
        connection = pika.BlockingConnection(parameters)
        try:
            yield connection
        finally:
            if connection.is_open:
                connection.close()
    except (AMQPError, OSError) as error:
        raise Unusable(words.of(_cause(error))) from error


def _cause(error: BaseException) -> BaseException:
    """Return what is behind an error that pika has put into others of its own, without a text."""
    while type(error) is AMQPConnectionError and error.args:
        inner = getattr(error.args[0], "exception", error.args[0])
        if not isinstance(inner, BaseException):
            break
        error = inner
    return error


def _context(tls: Tls) -> ssl.SSLContext:
    """Return how to check who the broker is, and what to show it: as strictly as `statscache consume` does.

    Python 3.13 wants more of certificates by default, which those of many a private authority lack.

    :raises Unusable: if a certificate cannot be read
    """
    context = loaded(tls.ca_cert, lambda path: ssl.create_default_context(cafile=str(path)))
    context = context or ssl.create_default_context()
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    loaded(tls.certfile, lambda path: context.load_cert_chain(path, tls.keyfile))
    assert isinstance(context, ssl.SSLContext)
    return context
