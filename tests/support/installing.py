"""Plugins of a test's own, installed in a directory as a package of somebody else's would be."""

from __future__ import annotations

from pathlib import Path


def install(target: Path, module: str, source: str, *classes: str) -> str:
    """Install a module with plugins in a directory, and return that for PYTHONPATH."""
    info = target / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (target / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    points = "".join(f"{name.lower()} = {module}:{name}\n" for name in classes)
    (info / "entry_points.txt").write_text(f"[statscache.plugin]\n{points}", encoding="utf-8")
    return str(target)
