"""python -m tests.packaging.image: builds the image of a container on a base of Debian's tools, and runs it.

It takes the wheel from dist/, needs root, debootstrap and buildah, and asks the registries for what the image has.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.built import ROOT

BASE, IMAGE = "localhost/statscache-base", "localhost/statscache"
#: So that it needs neither a kernel's overlays nor namespaces.
STORAGE = {"STORAGE_DRIVER": "vfs", "BUILDAH_ISOLATION": "chroot"}
#: This machine's certificates, and where the build finds them, should a registry be behind a proxy that has its own.
CERTIFICATES, MOUNTED = "/etc/ssl/certs/ca-certificates.crt", "/mnt/certificates.crt"


def run(*command: str) -> str:
    """Run a command, and return what it prints.

    :raises subprocess.CalledProcessError: if it fails
    """
    environment = {**os.environ, **STORAGE}
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=environment
    ).stdout.strip()


def make_base(directory: Path) -> None:
    """Make an image of Debian, as packaging/README.md says."""
    run("debootstrap", "--variant=minbase", "bookworm", str(directory))
    container = run("buildah", "from", "scratch")
    run("buildah", "copy", "--quiet", container, str(directory), "/")
    run("buildah", "commit", "--quiet", container, BASE)
    run("buildah", "rm", container)


def build(context: Path) -> None:
    """Build the image from the wheel."""
    shutil.copytree(ROOT / "dist", context / "dist")
    run(
        *("buildah", "build", "--network", "host", "--build-arg", f"BASE={BASE}", "--tag", IMAGE),
        *("--volume", f"{CERTIFICATES}:{MOUNTED}:ro", "--build-arg", f"PIP_CERT={MOUNTED}"),
        *("--file", str(ROOT / "packaging/Containerfile"), str(context)),
    )


def check() -> None:
    """See that what is in it runs, as a user of its own."""
    container = run("buildah", "from", IMAGE)
    try:
        assert run("buildah", "run", container, "id", "-un") == "statscache"
        version = run("buildah", "run", container, "statscache", "--version").split()[-1]
        assert list((ROOT / "dist").glob(f"statscache-{version}-*.whl"))
        assert "volume-1m" in run("buildah", "run", container, "statscache", "plugins", "--json")
        for program in (("fedmsg-hub",), ("statscache", "consume"), ("statscache", "serve")):
            assert run("buildah", "run", container, *program, "--help")
    finally:
        run("buildah", "rm", container)


def main() -> None:
    """Make the base, build the image on it, run it, and remove both."""
    with tempfile.TemporaryDirectory(prefix="statscache-image-") as directory:
        make_base(Path(directory) / "base")
        build(Path(directory) / "context")
    check()
    run("buildah", "rmi", IMAGE, BASE)
    print("the image builds, and what is in it runs")


if __name__ == "__main__":
    main()
