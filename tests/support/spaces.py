"""Other places for a process to run in, as containers are: commands to put before its own."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

#: Without a home directory in the environment.
HOMELESS = ("env", "-u", "HOME")
#: As a user that the password file does not name.
NAMELESS = ("unshare", "--user", "--map-user=54321", "--map-group=54321")
#: With as many descriptors as some machines give at least.
FEW_DESCRIPTORS = ("prlimit", "--nofile=64:64")


def read_only(but: Path) -> Sequence[str]:
    """Return what lets nothing be written but in one directory."""
    place = shlex.quote(str(but))
    mounts = f'mount --bind {place} {place} && mount -o remount,bind,ro / && exec "$@"'
    return ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mounts, "sh")


def need(prefix: Sequence[str]) -> None:
    """Skip the test on a machine on which that cannot be had."""
    if subprocess.run([*prefix, "true"], capture_output=True).returncode:
        pytest.skip(f"needs a machine that allows {prefix[0]}")
