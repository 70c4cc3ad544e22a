"""How Sphinx makes the documentation. `make docs` calls it."""

from __future__ import annotations

import sys
from importlib.metadata import version as version_of
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "statscache"
author = "the authors of statscache"
project_copyright = author
version = release = version_of("statscache")
language = "en"
smartquotes = False  # the program's own quotes and dashes are meant

extensions = ["myst_parser", "sphinx.ext.autodoc", "from_code"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
templates_path: list[str] = []

# A reference that leads nowhere is an error. What other packages document is not asked for: there is no network.
nitpicky = True
nitpick_ignore = [
    ("py:class", "statscache.plugins.queue.Item"),  # the type of what is in a queue
    (
        "py:class",
        "statscache.messages.pseudonyms.Pseudonyms",
    ),  # what gives names instead of those that are forgotten
]
nitpick_ignore_regex = [(r"py:.*", r"(?!statscache(\.|$)).*")]

myst_enable_extensions = ["attrs_block", "attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 4

# The docstrings have names in single backquotes, as Markdown has.
default_role = "literal"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"

html_theme = "furo"
html_title = f"statscache {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "github-dark"
