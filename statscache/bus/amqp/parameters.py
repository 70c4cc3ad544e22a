"""The configuration as pika and Twisted want it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pika
from twisted.internet import ssl
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IStreamClientEndpoint

from statscache.bus.amqp.configuration import AmqpConfiguration, Tls
from statscache.errors import Unusable


def parameters_of(configuration: AmqpConfiguration) -> pika.URLParameters:
    """Return where the broker is and who we are. With a certificate of ours that is what says who we are.

    :raises Unusable: if the URL cannot be used
    """
    try:
        parameters = pika.URLParameters(configuration.url)
    except (ValueError, TypeError) as error:
        raise Unusable(
            f"{configuration.source}: amqp_url cannot be used ({error}): correct it there"
        ) from None
    if parameters.ssl_options is not None and configuration.tls.certfile:
        parameters.credentials = pika.credentials.ExternalCredentials()
    parameters.client_properties = {
        "app": "statscache",
        "product": "statscache",
        "version": version("statscache"),
        **configuration.client_properties,
    }
    return parameters


def name_of(parameters: pika.ConnectionParameters) -> str:
    """Return which broker it is, for people."""
    host = "" if parameters.virtual_host == "/" else f"/{parameters.virtual_host}"
    return f"{parameters.host}:{parameters.port}{host}"


def endpoint_of(
    reactor: Any, configuration: AmqpConfiguration, parameters: pika.ConnectionParameters, patience: float
) -> IStreamClientEndpoint:
    """Return where to connect to.

    :param patience: how long in seconds that may take
    :raises Unusable: if a certificate cannot be read
    """
    endpoint = HostnameEndpoint(reactor, parameters.host, parameters.port, timeout=patience)
    if parameters.ssl_options is None:
        return endpoint
    return wrapClientTLS(_tls_options(parameters.host, configuration.tls), endpoint)


def _tls_options(host: str, tls: Tls) -> Any:
    """Return how to check who the broker is, and what to show it.

    :raises Unusable: if a certificate cannot be read
    """
    trust = loaded(tls.ca_cert, _authorities)
    own = None
    if tls.certfile and tls.keyfile:
        both = loaded(tls.keyfile, Path.read_bytes) + b"\n" + loaded(tls.certfile, Path.read_bytes)
        own = loaded(tls.certfile, lambda path: ssl.PrivateCertificate.loadPEM(both))
    return ssl.optionsForClientTLS(host, trustRoot=trust, clientCertificate=own)


def _authorities(path: Path) -> Any:
    end = b"-----END CERTIFICATE-----"
    parts = [part + end for part in path.read_bytes().split(end) if b"BEGIN CERTIFICATE" in part]
    return ssl.trustRootFromCertificates([ssl.Certificate.loadPEM(part) for part in parts])


def loaded(path: Path | None, load: Callable[[Path], Any]) -> Any:
    """Return what is loaded from a file that the tls settings name, None for no file.

    :raises Unusable: if it cannot be used
    """
    if path is None:
        return None
    try:
        return load(path)
    except OSError as error:
        reason = error.strerror or str(error)
    except Exception as error:  # noqa: BLE001  OpenSSL and Twisted raise several, none of which is documented
        reason = f"it holds no certificate or key that can be used, {type(error).__name__}"
    raise Unusable(
        f"{path}, which the tls settings of fedora-messaging name, cannot be used ({reason}): correct it"
    )
