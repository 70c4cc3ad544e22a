"""What of fedmsg a process has loaded."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

#: Makes a process write down at its end what it has loaded, in the directory that it began in.
NOTE = """
import atexit, pathlib, sys
note = pathlib.Path("loaded").absolute()
atexit.register(lambda: note.write_text(" ".join(sys.modules)))
"""
LIBRARIES = ("fedmsg", "fedmsg_meta_fedora_infrastructure", "moksha", "txzmq")


def loaded(directory: Path) -> set[str]:
    """Return the modules that a process that began in a directory had loaded at its end."""
    note = directory / "loaded"
    modules = note.read_text(encoding="utf-8").split()
    note.unlink()
    return set(modules)


def of_fedmsg(directory: Path) -> set[str]:
    """Return what a process that began in a directory had loaded of fedmsg and its libraries at its end."""
    return {name for name in loaded(directory) if name.partition(".")[0] in LIBRARIES}


@cache
def with_configuration() -> set[str]:
    """Return what reading fedmsg's configuration loads, which nobody can do without."""
    script = "import sys, fedmsg.config; print(*sys.modules)"
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return {name for name in told.stdout.split() if name.partition(".")[0] in LIBRARIES}
