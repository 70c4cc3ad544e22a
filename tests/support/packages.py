"""A package of plugins, installed where one test sees it."""

from __future__ import annotations

from pathlib import Path


def install(directory: Path, name: str, code: str) -> str:
    """Install a package whose `plugins` are an entry point, and return what PYTHONPATH must have."""
    package = directory / "installed"
    about = package / f"{name}-1.0.dist-info"
    about.mkdir(parents=True)
    (package / f"{name}.py").write_text(code)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[statscache.plugin]\n{name} = {name}:plugins\n")
    return str(package)
