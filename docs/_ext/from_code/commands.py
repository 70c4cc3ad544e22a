"""All commands with their options, as `--help` tells them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from from_code.markdown import MarkdownDirective, marked
from from_code.names import note
from statscache.cli import main

NAME = "statscache"


class Commands(MarkdownDirective):
    """A section for each command."""

    headings = True

    def lines(self) -> Iterator[str]:
        """Yield what the whole command takes, then each of its commands."""
        for name, command in _commands(main, NAME):
            if name != NAME:  # which stands for more than the command
                yield from ("", f"({note(self.env, name, 'command')})=")
            yield from (f"## `{name}`", "")
            yield from self._about(command, name)

    def _about(self, command: click.Command, name: str) -> Iterator[str]:
        """Yield how a command is called, what it does and what it takes."""
        context = click.Context(command, info_name=name)
        usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
        yield from ("```text", usage, "```", "")
        for paragraph in (command.help or "").split("\n\n"):
            yield from (marked(" ".join(paragraph.split())), "")
        yield from self.table(("option", "meaning"), _options(command, context))


def _commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield a command and those below it, each with its name."""
    yield name, command
    if isinstance(command, click.Group):
        for word, below in sorted(command.commands.items()):
            yield from _commands(below, f"{name} {word}")


def _options(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            yield f"`{record[0]}`", marked(record[1])
