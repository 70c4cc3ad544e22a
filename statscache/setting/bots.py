"""Which accounts are bots: how the setting is read, and what it is unless the configuration has a list of its own."""

from __future__ import annotations

import re
from typing import Any

from statscache.setting.setting import SettingType
from statscache.setting.types import NAMES

EXPECTED = (
    "a list of names of accounts, such as ['releng', 'mbs/*'], with * for any text and ? for one character"
)
#: A name of at most 200 characters, without the sets of characters that a shell's patterns have.
PATTERN = re.compile(r"[^\[\]]{1,200}")

#: The pattern of each account's name, and the reason why it is no person's. There is none for whatever merely looks
#: like a bot, such as `*bot`: it would hit people, too, and nobody who reads a figure would notice.
BOTS = {
    "amqp-bridge": "copies messages from bus to bus, and stands as the sender of what it copies",
    "anitya": "release-monitoring.org itself, which looks for new releases",
    "apache": "the account of web applications on their hosts, which sends their announcements and log lines",
    "autopen": "signs builds in koji and moves them on to the next tag",
    "bodhi": "tags builds and comments on updates by itself",
    "composer": "the part of bodhi that pushes updates",
    "hotness": "the-new-hotness: tries builds of new releases",
    "koschei": "builds packages again to see whether they still build",
    "mbs/*": "the module build service, by its Kerberos principal on each host",
    "packagerbot": "keeps packages and side tags of Fedora in order",
    "packagerbot/*": "the same, by its Kerberos principal on each host",
    "packit": "opens pull requests and begins builds at each release of a project",
    "pagure": "pagure itself, where it updates pull requests",
    "pkgdb_updater": "brought the package database up to date",
    "releng": "the account of release engineering's scripts: composes, mass rebuilds, pushes",
    "rhcontainerbot": "opens and merges pull requests for the tools of containers",
    "root": "the system's account on a host, which sends log lines of scripts",
    "upstream-release-monitoring": "the-new-hotness where it files bugs",
    "zuul": "runs the tests of pull requests, comments on them and merges them",
}


def _patterns(value: Any) -> tuple[str, ...]:
    """Read patterns of names; one that is every name would leave no people."""
    try:
        names = NAMES.read(value)
    except ValueError:
        raise ValueError(EXPECTED) from None
    if not all(PATTERN.fullmatch(name) and name.isprintable() and name.strip("*?") for name in names):
        raise ValueError(EXPECTED)
    return tuple(sorted(names))


PATTERNS = SettingType("list of text", "", _patterns)
