"""The packages of this tree, built and installed without any registry."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: What is installed from the registry, beside the wheel.
EXTRAS, OF_TESTS = "amqp,embedded,web", ("pytest>=8", "hypothesis>=6.100", "pyyaml>=6")
DEMO = ("statscache", "demo", "--directory", "demo", "--seconds", "10", "--rate", "20")
#: Tests of the daemon on a bus, which need nothing beside the tests.
OF_THE_BUS = (
    "tests/system/test_hub.py::test_a_database_that_is_away_for_a_while_loses_nothing",
    "tests/bus/test_fedmsg.py",
    "tests/bus/amqp/test_deliveries.py",
)
#: Builds the source package here, and the wheel from the tree that it is run in.
SDIST = "from setuptools import build_meta; build_meta.build_sdist({to!r})"
WHEEL = "from setuptools import build_meta; build_meta.build_wheel({to!r})"
#: What is no part of the tree that packages are made of.
OF_GIT = (".ci/", ".gitignore")
#: What an environment has of itself, or of us.
NOT_LINKED = ("statscache", "__editable__", "__pycache__", "_virtualenv", "distutils-precedence.pth")


def tracked() -> list[str]:
    """Return the names of all files that a clone of this tree has, new ones included."""
    listed = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    output = subprocess.run(listed, capture_output=True, check=True, text=True).stdout
    names = [name for name in output.split("\0") if name and (ROOT / name).is_file()]
    return sorted(name for name in names if not name.startswith(OF_GIT))


def without_paths() -> dict[str, str]:
    """Return the environment without what leads a Python, or its tests, to anything of this tree."""
    return {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "PYTHON"))}


def run_python(script: str, where: Path, python: str = sys.executable) -> str:
    """Run a script in a directory, and return what it prints; it finds nothing of this tree."""
    command = [python, "-P", "-c", script]
    done = subprocess.run(
        command, cwd=where, env=without_paths(), capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Built:
    """The source package of a clean export of this tree, and the wheel made from that package alone."""

    directory: Path

    @cached_property
    def sdist(self) -> Path:
        """The source package."""
        tree = self.directory / "tree"
        for name in tracked():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
        run_python(SDIST.format(to=str(self.directory)), tree)
        return next(self.directory.glob("*.tar.gz"))

    @cached_property
    def wheel(self) -> Path:
        """The wheel."""
        with tarfile.open(self.sdist) as archive:
            archive.extractall(self.directory / "source", filter="data")
        run_python(WHEEL.format(to=str(self.directory)), next((self.directory / "source").iterdir()))
        return next(self.directory.glob("*.whl"))

    @cached_property
    def in_sdist(self) -> set[str]:
        """The files of the source package, without its own folder."""
        with tarfile.open(self.sdist) as archive:
            return {name.partition("/")[2] for name in archive.getnames()}

    @cached_property
    def in_wheel(self) -> set[str]:
        """The files of the wheel."""
        with zipfile.ZipFile(self.wheel) as archive:
            return set(archive.namelist())

    @cached_property
    def offline(self) -> Path:
        """An environment with the wheel, and with what this one has but for statscache."""
        place = self.directory / "environment"
        venv.create(place, symlinks=True)
        there = next(place.glob("lib/python3*/site-packages"))
        for path in Path(sysconfig.get_path("purelib")).iterdir():
            if not path.name.startswith(NOT_LINKED):
                (there / path.name).symlink_to(path)
        install(place, "--no-index", "--no-deps", str(self.wheel))
        return place

    @cached_property
    def from_registry(self) -> Path:
        """An empty environment into which pip has installed the wheel, all that it requires, and what tests need."""
        place = self.directory / "environment"
        venv.create(place, symlinks=True)
        install(place, f"{self.wheel}[{EXTRAS}]", *OF_TESTS)
        return place


def install(environment: Path, *what: str) -> None:
    """Install something into an environment by the pip of this one."""
    pip = [sys.executable, "-m", "pip", "--python", str(environment / "bin/python"), "install", "--quiet"]
    subprocess.run([*pip, *what], check=True, cwd=environment, env=without_paths())


def run(environment: Path, *command: str, where: Path) -> str:
    """Run a command of an environment in a directory, and return what it prints."""
    program, *arguments = command
    done = subprocess.run(
        [str(environment / "bin" / program), *arguments],
        cwd=where,
        env=without_paths(),
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def check_demo(environment: Path, where: Path) -> None:
    """See that the demo counts what it sends, and that its page can be written, with styles and in each language."""
    output = run(environment, *DEMO, where=where)
    sent, counted = re.findall(r"^(\d+) messages sent, (\d+) counted\.$", output, re.MULTILINE)[0]
    assert int(sent) == int(counted) > 0
    run(environment, "statscache", "publish", "site", where=where / "demo")
    written = [path for path in (where / "demo/site").rglob("*") if path.is_file()]
    assert {"page.css", "icon.svg"} <= {path.name for path in written}
    pages = "".join(path.read_text(encoding="utf-8") for path in written if path.suffix == ".html")
    assert 'lang="en"' in pages
    assert 'lang="de"' in pages


def check_bus(environment: Path, where: Path) -> str:
    """Run tests of the daemon on a bus with the tests of this tree, and nothing else of it, and return their output."""
    shutil.copytree(ROOT / "tests", where / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", where)
    return run(
        environment, "python", "-m", "pytest", "-q", "-p", "no:cacheprovider", *OF_THE_BUS, where=where
    )
