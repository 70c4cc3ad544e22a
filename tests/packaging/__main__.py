"""python -m tests.packaging: builds the packages into dist/, and tries the wheel as the registry completes it."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from tests.support.built import ROOT, Built, check_bus, check_demo


def main() -> None:
    """Build the source package and the wheel, install the wheel, and run the demo and tests of the bus from it."""
    with tempfile.TemporaryDirectory(prefix="statscache-packages-") as directory:
        built = Built(Path(directory))
        dist = ROOT / "dist"
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir()
        for package in (built.sdist, built.wheel):
            print(shutil.copy(package, dist))
        for check in (check_demo, check_bus):
            place = Path(directory) / check.__name__
            place.mkdir()
            check(built.from_registry, place)
        print("the demo and the tests of the bus pass on the installed wheel")


if __name__ == "__main__":
    main()
