"""Whether signatures can be checked at all: where they cannot, fedmsg finds every message invalid, in silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from statscache.errors import Unusable

#: The settings that say where the authority's certificate and its list of revoked ones are, and how each begins.
FILES = {"ca_cert_location": "-----BEGIN CERTIFICATE-----", "crl_location": "-----BEGIN X509 CRL-----"}


def check_signatures(config: Mapping[str, Any]) -> None:
    """Check what fedmsg needs to validate signatures, as far as the setting `validate_signatures` asks for it.

    :param config: the fedmsg configuration
    :raises Unusable: if every message would be found invalid
    """
    wanted = config.get("validate_signatures")
    if not isinstance(wanted, bool):
        raise Unusable(
            "validate_signatures is not set: set it in fedmsg.d to True, or to False on a bus of your own"
        )
    if wanted and "x509" in (
        config.get("crypto_validate_backends") or [config.get("crypto_backend", "x509")]
    ):
        _check_library()
        for key, beginning in FILES.items():
            _check_file(key, config.get(key), beginning)


def _check_library() -> None:
    from fedmsg.crypto import x509  # only here: it takes a while, and only a hub that validates needs it

    if x509.validate is x509._disabled_validate:
        raise Unusable(
            "validate_signatures is True, but fedmsg cannot validate signatures here: install a pyOpenSSL older than "
            "24.3, which still has load_crl"
        )


def _check_file(key: str, place: Any, beginning: str) -> None:
    """Check a file on this machine; what is fetched from the web is looked at when the first message comes."""
    if not place or str(place).startswith("https://"):
        return
    try:
        fits = beginning in Path(place).read_text(encoding="ascii")
    except (OSError, ValueError, TypeError) as error:
        raise Unusable(
            f"{key} is {place!r}, which cannot be read ({error}): correct it in fedmsg.d"
        ) from None
    if not fits:
        raise Unusable(f"{key} is {place!r}, a file without {beginning}: correct it in fedmsg.d")
