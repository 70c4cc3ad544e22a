"""A hub that validates signatures counts what is signed by those who may, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import fedmsg.crypto
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from sqlalchemy import Engine, text

from statscache.bus.signatures import check_signatures
from statscache.errors import Unusable
from tests.hub import Bus, Hub, wait_for

StartHub = Callable[..., Hub]
Body = dict[str, Any]

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


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the hub has never heard of, which certifies an ada of its own."""
    stranger = Authority(tmp_path_factory.mktemp("theirs"), "theirs")
    stranger.issue("ada")
    return stranger


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


def message(number: int, topic: str = TOPIC) -> Body:
    """Return a message that nobody has signed."""
    return {
        "topic": topic,
        "msg": {"n": number},
        "msg_id": f"2023-{number}",
        "timestamp": 1_700_000_000,
        "i": 1,
    }


def sign(body: Body, authority: Authority, name: str = "ada") -> Body:
    """Return the message signed by a holder of a certificate."""
    signed: Body = fedmsg.crypto.sign(dict(body), ssldir=str(authority.directory), certname=name)
    return signed


def bad_messages(ours: Authority, theirs: Authority) -> dict[str, Body]:
    """Return messages that must not count, by what is the matter with each."""
    plain = message(0, BAD_TOPIC)
    good = sign(plain, ours)
    return {
        "unsigned": plain,
        "tampered": {**good, "msg": {"n": 1}},
        "tampered in its time": {**good, "timestamp": good["timestamp"] + 1},
        "of another topic": {**sign(message(0), ours), "topic": BAD_TOPIC},
        "something added": {**good, "more": 1},
        "by one whom the policy forbids": sign(plain, ours, "eve"),
        "of a topic that the policy does not know": sign(message(0, BAD_TOPIC + "s"), ours),
        "by a stranger of the same name": sign(plain, theirs),
        "by one whose certificate is revoked": sign(plain, ours, "lost"),
        "by one whose certificate has expired": sign(plain, ours, "late"),
        "with another's certificate": {**good, "certificate": sign(plain, ours, "eve")["certificate"]},
        "without its certificate": {key: good[key] for key in good if key != "certificate"},
        "without its signature": {key: good[key] for key in good if key != "signature"},
        "with a signature that is no base64": {**good, "signature": "!"},
        "with a signature that is no text": {**good, "signature": 7},
        "with a certificate that is none": {**good, "certificate": base64.b64encode(b"x").decode()},
        "with a certificate that is no text": {**good, "certificate": None},
        "of another way to sign": {**good, "crypto": "gpg"},
        "of an unknown way to sign": {**good, "crypto": ["x509"]},
    }


def volume(engine: Engine, where: str = "true") -> int:
    """Return how many messages are counted."""
    statement = f"SELECT coalesce(sum(volume), 0) FROM data_volume_by_category_1d WHERE {where}"
    with engine.connect() as connection:
        return int(connection.scalar(text(statement)))


def test_only_what_is_signed_by_those_who_may_counts(
    start_hub: StartHub,
    settings: dict[str, Any],
    authority: Authority,
    stranger: Authority,
    bus: Bus,
    engine: Engine,
) -> None:
    """A signed message counts; none that is unsigned, tampered with, or signed by one who may not ever does, and
    after each of them a good one counts as before."""
    hub = start_hub(settings)
    hub.wait_until_running()
    bus.send(sign(message(0), authority))
    wait_for("the first good message", lambda: volume(engine) == 1)
    for number, (name, bad) in enumerate(bad_messages(authority, stranger).items(), start=1):
        bus.send(bad)
        bus.send(sign(message(number), authority))
        wait_for(
            f"the message after one {name}", lambda n=number: volume(engine, "category = 'bodhi'") == n + 1
        )
        assert volume(engine) == number + 1, f"a message {name} was counted"
    code, _ = hub.end()
    assert code == 0, hub.log
    assert volume(engine, "category <> 'bodhi'") == 0


@pytest.mark.parametrize("key", ["ca_cert_location", "crl_location"])
@pytest.mark.parametrize("content", [None, "", "not what it should be", "\xff"])
def test_a_file_that_would_make_every_message_invalid_is_told(
    key: str, content: str | None, settings: dict[str, Any], tmp_path: Path
) -> None:
    """A certificate or list that is not there, or is something else, is refused and named by its setting."""
    if content is not None:
        (tmp_path / "file").write_text(content, encoding="latin-1")
    with pytest.raises(Unusable, match=rf"^{key} is .*/file', .*: correct it in fedmsg\.d$"):
        check_signatures({**settings, key: str(tmp_path / "file")})


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"crl_location": None},
        {"ca_cert_location": "https://example.org/ca.crt", "crl_location": "https://example.org/crl.pem"},
        {"validate_signatures": False, "ca_cert_location": "/no/such/file"},
        {"crypto_validate_backends": ["gpg"], "ca_cert_location": "/no/such/file"},
        {"crypto_backend": "gpg", "ca_cert_location": "/no/such/file"},
    ],
)
def test_what_is_not_used_or_not_here_is_not_looked_at(
    changes: dict[str, Any], settings: dict[str, Any]
) -> None:
    """A hub that does not validate, or by gpg, needs no files, and none is fetched before there are messages."""
    check_signatures({**settings, **changes})


def test_a_hub_that_could_validate_nothing_ends_with_one_line(
    start_hub: StartHub, settings: dict[str, Any]
) -> None:
    """Rather than run and count nothing, it exits with 1 and names the setting."""
    hub = start_hub({**settings, "ca_cert_location": "/no/such/file"})
    assert hub.wait() == 1
    assert hub.log.splitlines()[-1].startswith(
        "statscache: ca_cert_location is '/no/such/file', which cannot be read"
    )
    assert "Traceback" not in hub.log


def test_a_library_that_is_too_new_ends_the_hub_with_one_line(
    start_hub: StartHub, settings: dict[str, Any], tmp_path: Path
) -> None:
    """With a pyOpenSSL without load_crl fedmsg finds every message invalid, so the hub says what to install."""
    newer = "import OpenSSL.crypto\ndel OpenSSL.crypto.load_crl\n"
    (tmp_path / "sitecustomize.py").write_text(newer, encoding="utf-8")
    hub = start_hub(settings, PYTHONPATH=str(tmp_path))
    assert hub.wait() == 1
    assert hub.log.splitlines()[-1].startswith(
        "statscache: validate_signatures is True, but what fedmsg needs"
    )
    assert "install pyOpenSSL below 24.3" in hub.log
