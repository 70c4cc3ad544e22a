"""The package in the form of RPM builds from the source package alone, and installs into a root of its own."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.built import ROOT, Built, without_paths

SPEC = ROOT / "packaging" / "statscache.spec"
#: What the scripts of the package run.
PROGRAMS = ("sh", "systemd-sysusers")
UNITS = ("statscache.service", "statscache-amqp.service", "statscache-web.service")


def succeed(*command: str) -> str:
    """Return what a command prints that succeeds."""
    done = subprocess.run(command, capture_output=True, text=True, env=without_paths())
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def rpm(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package."""
    if not shutil.which("rpmbuild"):
        pytest.skip("needs rpmbuild")
    top = tmp_path_factory.mktemp("rpm")
    places = {"_topdir": top, "_sourcedir": built.sdist.parent, "__python3": sys.executable}
    defined = [word for name, value in places.items() for word in ("--define", f"{name} {value}")]
    succeed("rpmbuild", "-bb", *defined, str(SPEC))
    return next(top.glob("RPMS/noarch/*.rpm"))


@pytest.fixture(scope="module")
def root(rpm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root with a shell, a systemd-sysusers, and the package."""
    if os.getuid() or any(not shutil.which(program) for program in PROGRAMS):
        pytest.skip("needs root and systemd-sysusers")
    root = tmp_path_factory.mktemp("root")
    for program in PROGRAMS:
        copy_program(Path(str(shutil.which(program))), root)
    (root / "etc").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (root / "etc/group").write_text("root:x:0:\n")
    succeed("rpm", "--root", str(root), "--initdb")
    # What it needs is not in this root, nor packaged by those whose tools these are.
    succeed("rpm", "--root", str(root), "--nodeps", "--install", str(rpm))
    return root


def copy_program(program: Path, root: Path) -> None:
    """Copy a program and its libraries into a root, where it is found in /bin."""
    libraries = re.findall(r"(/\S+) \(0x", succeed("ldd", str(program.resolve())))
    for library in libraries:
        (root / library[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(library, root / library[1:])
    (root / "bin").mkdir(exist_ok=True)
    shutil.copy(program, root / "bin" / program.name)


def test_everything_is_in_its_place(root: Path) -> None:
    """Commands, packages, units and a configuration are where a system has them, and units name the command there."""
    packages = next((root / "usr/lib").glob("python3*/site-packages"))
    assert (packages / "statscache/web/page/templates/base.html").is_file()
    assert (packages / "statscache/render/locale/de.po").is_file()
    assert (packages / "statscache_plugins/volume/simple.py").is_file()
    assert (root / "usr/bin/statscache").read_text().startswith("#!/usr/bin/python3 -s\n")
    for unit in UNITS:
        text = (root / "usr/lib/systemd/system" / unit).read_text(encoding="utf-8")
        assert re.search(r"^ExecStart=/usr/bin/(statscache|fedmsg-hub)", text, re.MULTILINE)
        assert "/opt/" not in text
    assert (root / "usr/share/statscache/prometheus/statscache.rules.yml").is_file()
    listed = succeed("rpm", "--root", str(root), "--query", "--list", "statscache").splitlines()
    outside = [name for name in listed if not name.startswith(("/usr/", "/etc/fedmsg.d"))]
    assert outside == []
    assert str(sys.prefix) not in "".join(listed)


def test_it_brings_its_user(root: Path) -> None:
    """The user is there before the files are, so that the configuration, which may hold a password, is its group's."""
    users = [line.split(":") for line in (root / "etc/passwd").read_text().splitlines()]
    (user,) = [each for each in users if each[0] == "statscache"]
    assert user[5:] == ["/var/lib/statscache", shutil.which("nologin")] or user[6].endswith("nologin")
    configuration = (root / "etc/fedmsg.d/statscache.py").stat()
    assert (configuration.st_uid, configuration.st_gid) == (0, int(user[3]))
    assert stat.S_IMODE(configuration.st_mode) == 0o640


def test_it_goes_again_and_leaves_a_changed_configuration(root: Path) -> None:
    """Nothing of its own stays behind but what somebody has written."""
    configuration = root / "etc/fedmsg.d/statscache.py"
    configuration.write_text("config = {}\n")
    succeed("rpm", "--root", str(root), "--erase", "statscache")
    assert configuration.with_name("statscache.py.rpmsave").read_text() == "config = {}\n"
    left = [path for path in (root / "usr").rglob("*statscache*") if path.is_file()]
    assert left == []


def test_the_version_is_that_of_setup(built: Built) -> None:
    """In Python's form and in that of RPM, in which what comes before a release has a tilde."""
    text = SPEC.read_text(encoding="utf-8")
    version = re.findall(r"^%global python_version (\S+)$", text, re.MULTILINE)
    assert version == re.findall(r"statscache-(\S+)\.tar\.gz", built.sdist.name)
    (of_rpm,) = re.findall(r"^Version: +(\S+)$", text, re.MULTILINE)
    assert re.sub(r"~(?=dev|rc|a|b)", "", of_rpm) == re.sub(r"\.(?=dev)", "", version[0])


def test_it_requires_what_the_wheel_does(built: Built) -> None:
    """With the extras for AMQP and the HTTP API; of psycopg2 a system has its own build."""

    with zipfile.ZipFile(built.wheel) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith(".dist-info/METADATA")]
        metadata = archive.read(name).decode()
    wanted = set()
    for line in re.findall(r"^Requires-Dist: (.*)$", metadata, re.MULTILINE):
        requirement, _, marker = line.partition(";")
        if marker and not re.search(r'extra == ["\'](web|amqp)["\']', marker):
            continue
        package = re.split(r"[\[<>=! ]", requirement)[0].lower()
        (least,) = re.findall(r">=([\d.]+)", requirement)
        wanted.add((re.sub(r"[-_.]+", "-", package).removesuffix("-binary"), least))
    text = SPEC.read_text(encoding="utf-8")
    assert set(re.findall(r"^Requires: +python3dist\((\S+)\) >= (\S+)$", text, re.MULTILINE)) == wanted
