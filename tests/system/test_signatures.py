"""A hub that validates signatures counts what is signed by those who may, and nothing else."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fedmsg.crypto
import pytest
from sqlalchemy import Engine, text

from tests.support.authority import BAD_TOPIC, TOPIC, Authority
from tests.support.hub import Bus, Hub, wait_for

StartHub = Callable[..., Hub]
Body = dict[str, Any]


@pytest.fixture(scope="module")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """An authority that the hub has never heard of, which certifies an ada of its own."""
    stranger = Authority(tmp_path_factory.mktemp("theirs"), "theirs")
    stranger.issue("ada")
    return stranger


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
        "statscache: validate_signatures is True, but fedmsg cannot validate signatures here"
    )
    assert "install a pyOpenSSL older than 24.3" in hub.log
