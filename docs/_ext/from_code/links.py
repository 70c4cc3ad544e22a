"""Links from names in backquotes to where they are explained."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.transforms.post_transforms import SphinxPostTransform

from from_code.names import find, names

#: Where no name becomes a link: it is one, or explains itself.
LEFT = (nodes.reference, nodes.title, nodes.term)


class LinkNames(SphinxPostTransform):
    """Makes links of the names of settings, commands and metrics."""

    default_priority = 200
    formats = ("html",)

    def run(self, **kwargs: Any) -> None:
        """Go through all texts in backquotes of the page."""
        for literal in list(self.document.findall(nodes.literal)):
            if not literal["ids"] and not any(isinstance(above, LEFT) for above in _above(literal)):
                self._link(literal)

    def _link(self, literal: nodes.literal) -> None:
        place = find(self.env, literal.astext())
        if place is None:
            return
        own = self.env.docname
        page = "" if place.page == own else self.app.builder.get_relative_uri(own, place.page)
        link = nodes.reference("", "", refuri=f"{page}#{place.anchor}", internal=True)
        literal.replace_self(link)
        link += literal

    @staticmethod
    def forget(app: Sphinx, env: BuildEnvironment, page: str) -> None:
        """Forget what a page explained that is about to be read again."""
        for name in [name for name, place in names(env).items() if place.page == page]:
            del names(env)[name]

    @staticmethod
    def merge(app: Sphinx, env: BuildEnvironment, pages: Iterable[str], other: BuildEnvironment) -> None:
        """Take over what another process has read."""
        names(env).update(names(other))


def _above(node: nodes.Node) -> Iterable[nodes.Node]:
    while (parent := node.parent) is not None:
        yield parent
        node = parent
