"""Tables of the documentation that are made from the code, and links to their rows.

A page has the directives ``{settings}``, ``{commands}``, ``{metrics}`` and ``{tables}``. Wherever else a text in
backquotes is the name of a setting, a command or a metric, it becomes a link to where that is explained.
"""

from __future__ import annotations

from typing import Any

from sphinx.application import Sphinx

from from_code.commands import Commands
from from_code.links import LinkNames
from from_code.metrics import Metrics
from from_code.settings import SettingsTable
from from_code.tables import Tables


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx know the directives and the links."""
    app.add_directive("settings", SettingsTable)
    app.add_directive("commands", Commands)
    app.add_directive("metrics", Metrics)
    app.add_directive("tables", Tables)
    app.add_post_transform(LinkNames)
    app.connect("env-purge-doc", LinkNames.forget)
    app.connect("env-merge-info", LinkNames.merge)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
