"""What is wrong with a broker, in words."""

from __future__ import annotations

import ssl

import pika
from OpenSSL.SSL import Error as TlsError
from pika.exceptions import (
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    IncompatibleProtocolError,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)
from service_identity import VerificationError

#: What RabbitMQ says to one whose name or password it does not know.
LOGIN = "Login was refused"
#: What the broker sends when another try would be answered likewise (the reply codes of AMQP 0-9-1).
CODES = {
    403: "does not allow it",
    404: "does not have it",
    405: "has locked it for another connection",
    406: "has it otherwise",
    530: "does not allow it",
}


class Words:
    """Says what is wrong with a broker.

    :param broker: which it is, for people
    """

    def __init__(self, broker: str, parameters: pika.ConnectionParameters) -> None:
        self._broker = f"the broker {broker}"
        self._host = parameters.virtual_host
        self._is_tls = parameters.ssl_options is not None
        self._user = getattr(parameters.credentials, "username", "") or "whom the certificate names"

    def of(self, error: object) -> str:
        """Return what an error means, in a sentence."""
        what = self._broker
        if isinstance(error, ProbableAuthenticationError) or LOGIN in getattr(error, "reply_text", ""):
            return f"{what} does not know the user {self._user}, or has another password for it"
        if isinstance(error, ProbableAccessDeniedError):
            return f"{what} does not let the user {self._user} into the virtual host {self._host}"
        if isinstance(error, ChannelClosedByBroker | ConnectionClosedByBroker):
            return f"{what} {CODES.get(error.reply_code, 'has closed the connection')}: {error.reply_text}"
        if is_of_tls(error):
            return f"{what} and we do not trust each other's certificates: {_brief(error)}"
        if self._is_tls and isinstance(error, IncompatibleProtocolError):
            return f"{what} closes the connection before it answers: it may not trust our certificate"
        return f"{what} cannot be reached: {_brief(error)}"


def is_refusal(error: object) -> bool:
    """Return whether the broker has answered, and another try would be answered likewise."""
    if isinstance(error, ChannelClosedByBroker | ConnectionClosedByBroker):
        return error.reply_code in CODES
    known = ProbableAuthenticationError, ProbableAccessDeniedError, IncompatibleProtocolError
    return isinstance(error, known) or is_of_tls(error)


def is_of_tls(error: object) -> bool:
    """Return whether an error is one of certificates."""
    return isinstance(error, TlsError | VerificationError | ssl.SSLError)


def _brief(error: object) -> str:
    if isinstance(error, TlsError) and error.args and isinstance(error.args[0], list):
        return "; ".join(str(part[-1]) for part in error.args[0] if part) or "the handshake failed"
    return " ".join(str(error).split()) or type(error).__name__
