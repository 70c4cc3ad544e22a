"""Packages of plugins of a test's own, installed where one test sees them, as somebody else's would be."""

from __future__ import annotations

from pathlib import Path

#: The beginning of a module with plugins that do nothing: `plugin` gives one on a model.
IDLE = """
from statscache.plugins import BasePlugin


class Plugin(BasePlugin):
    def process(self, message):
        pass

    def update(self, session):
        pass


def plugin(title, model_):
    attributes = {"name": title, "summary": title, "description": title, "model": model_}
    return type(title.title(), (Plugin,), attributes)

"""


def install(target: Path, module: str, source: str, group: str = "statscache.plugin", **points: str) -> str:
    """Install a module with plugins in a directory, and return that for PYTHONPATH.

    :param group: what its entry points are for
    :param points: what each of them names in the module
    """
    info = target / f"{module}-1.0.dist-info"
    info.mkdir(parents=True)
    (target / f"{module}.py").write_text(source, encoding="utf-8")
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n", encoding="utf-8")
    lines = "".join(f"{name} = {module}:{what}\n" for name, what in points.items())
    (info / "entry_points.txt").write_text(f"[{group}]\n{lines}", encoding="utf-8")
    return str(target)
