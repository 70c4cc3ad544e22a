"""An authority that certifies who may send what, as fedmsg wants one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

TOPIC = "org.fedoraproject.prod.bodhi.update.comment"
#: Bad messages go by this category, of which none may ever count.
BAD_TOPIC = "org.fedoraproject.prod.bad.thing"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)


class Authority:
    """Signs certificates, and keeps them in a directory as fedmsg wants them."""

    def __init__(self, directory: Path, name: str) -> None:
        self.directory = directory
        self._key = rsa.generate_private_key(65537, 2048)
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        authority = self._certificate(self._name, self._key, NOW + DAY)
        self.certificate = directory / f"{name}.crt"
        self.certificate.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
        self.crl = directory / f"{name}.crl"
        self.revoke()

    def issue(self, name: str, until: datetime = NOW + DAY) -> x509.Certificate:
        """Make a key and a certificate for a name."""
        key = rsa.generate_private_key(65537, 2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = self._certificate(subject, key, until)
        (self.directory / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        (self.directory / f"{name}.key").write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return certificate

    def revoke(self, *certificates: x509.Certificate) -> None:
        """Write the list of the certificates that hold no longer."""
        builder = x509.CertificateRevocationListBuilder(self._name, NOW - DAY, NOW + DAY)
        for certificate in certificates:
            revoked = x509.RevokedCertificateBuilder(certificate.serial_number, NOW - DAY).build()
            builder = builder.add_revoked_certificate(revoked)
        self.crl.write_bytes(
            builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        )

    def _certificate(self, subject: x509.Name, key: rsa.RSAPrivateKey, until: datetime) -> x509.Certificate:
        builder = x509.CertificateBuilder(self._name, subject, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(NOW - 2 * DAY).not_valid_after(until)
        constraints = x509.BasicConstraints(ca=subject == self._name, path_length=None)
        name = str(subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        return builder.add_extension(constraints, critical=True).sign(self._key, hashes.SHA256())


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The authority that the hub trusts, and those it has certified; one of them no longer."""
    authority = Authority(tmp_path_factory.mktemp("ours"), "ours")
    authority.issue("ada")
    authority.issue("eve")
    authority.issue("late", until=NOW - DAY)
    authority.revoke(authority.issue("lost"))
    return authority


@pytest.fixture
def settings(authority: Authority) -> dict[str, Any]:
    """What a hub that validates must be told: whom to trust, and who may say what."""
    return {
        "validate_signatures": True,
        "ca_cert_location": str(authority.certificate),
        "crl_location": str(authority.crl),
        "routing_policy": {TOPIC: ["ada"], BAD_TOPIC: ["ada"]},
        "routing_nitpicky": True,
        "statscache.producer.frequency": 0.1,
    }
