"""Whose spools are, whatever the umask is and whoever else has an account."""

from __future__ import annotations

import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from statscache.errors import Unusable
from statscache.spool.directory import adopt_spools, make_spool
from statscache.spool.record import HEADER, decode, encode

#: Somebody else, who need not have an account.
STRANGER = 54321
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody else")


@pytest.fixture
def generous() -> Iterator[None]:
    """A umask that takes no right from anybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def left(directory: Path) -> Path:
    """Return the spool of a daemon that has died."""
    spool = make_spool(directory, ["a"], 1 << 20)
    spool.append(encode({"topic": "a"}))
    spool.close()
    return directory / spool.id


def adopted(directory: Path) -> int:
    """Return how many spools are adopted."""
    spools = list(adopt_spools(directory))
    for spool in spools:
        spool.close()
    return len(spools)


@pytest.mark.usefixtures("generous")
def test_every_level_is_this_users_alone(tmp_path: Path) -> None:
    """Also those above the setting's directory that had to be made, and one that was open before."""
    directory = tmp_path / "var" / "spool" / "database"
    path = left(directory)
    for level in (path, *path.parents[:3]):
        assert stat.S_IMODE(level.stat().st_mode) == 0o700, level
    directory.chmod(0o777)
    (tmp_path / "var" / "spool").chmod(0o777)
    left(directory)
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "var" / "spool").stat().st_mode) == 0o755
    assert adopted(directory) == 2


@as_root
def test_a_directory_of_somebody_elses_is_refused_in_one_line(tmp_path: Path) -> None:
    """The line names the directory, whose it is, and what to do."""
    directory = tmp_path / "database"
    directory.mkdir()
    os.chown(directory, STRANGER, STRANGER)
    with pytest.raises(Unusable, match=rf"{directory} belongs to the user with the number {STRANGER}, and "):
        make_spool(directory, ["a"], 1 << 20)
    directory.rmdir()
    tmp_path.chmod(0o777)
    os.chown(tmp_path, STRANGER, STRANGER)
    with pytest.raises(Unusable, match=rf"others than this user may write to {tmp_path}, .*chmod go-w"):
        make_spool(directory, ["a"], 1 << 20)


def test_a_link_in_the_directorys_place_is_refused(tmp_path: Path) -> None:
    """Wherever it leads."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "database").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Unusable, match="is no directory"):
        make_spool(tmp_path / "database", ["a"], 1 << 20)


@as_root
@pytest.mark.parametrize("planted", ["directory", "file", "link", "open"])
def test_a_spool_that_somebody_else_may_have_written_is_left_alone(
    planted: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is neither read nor removed, which is said once and not each time; others are adopted."""
    path = left(tmp_path / "database")
    left(tmp_path / "database")
    segment = next(path.glob("*.spool"))
    if planted == "directory":
        os.chown(path, STRANGER, STRANGER)
    elif planted == "file":
        os.chown(segment, STRANGER, STRANGER)
    elif planted == "link":
        segment.rename(tmp_path / "moved")
        segment.symlink_to(tmp_path / "moved")
    else:
        path.chmod(0o777)
    assert adopted(tmp_path / "database") == 1
    assert f"the spool {path} is left alone" in caplog.text
    said = len(caplog.records)
    path.rename(path.with_name(f".{path.name}"))
    os.utime(path.with_name(f".{path.name}"), (0, 0))
    assert adopted(tmp_path / "database") == 1
    assert path.with_name(f".{path.name}").exists()
    assert len(caplog.records) <= said + 1


@pytest.mark.parametrize("payload", [b"i\x01\x00\x00\x00", b"[\xff\xff\xff\x7f", b"\xff", b"s"])
def test_what_is_no_message_is_damage(payload: bytes) -> None:
    """However well it agrees with its checksum."""
    with pytest.raises(ValueError, match="the record is damaged"):
        decode(payload, zlib.crc32(payload))
    record = encode({"topic": "a"})
    assert decode(record[HEADER.size :], HEADER.unpack_from(record)[1]) == {"topic": "a"}
