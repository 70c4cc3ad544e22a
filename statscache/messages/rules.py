"""Users and packages of the categories that matter most, where nobody else knows them, and who did what.

The tables say where each kind of message keeps its names. They follow what Fedora's processors
(fedmsg_meta_fedora_infrastructure 0.31) name, so that counts hardly depend on whether those are installed.
"""

from collections.abc import Mapping
from typing import Any

from statscache.messages import agents, headers
from statscache.messages.rule import Rule, Table, account, mentions, nvrs

ALL = ("*",)
# Long ago the repository came first, as in git.valgrind.git.receive; there Fedora's processor takes the tail,
# "git", for the package, and so do we.
PUSHED = ("receive*", "*git.receive*")
TAGGED = ("tag*", "untag*")
CHANGED = ("build.state.change*", "task.state.change*")
UPDATED = (
    "update.comment*",
    "update.complete*",
    "update.edit*",
    "update.eject*",
    "update.karma.threshold*",
    "update.request*",
    "update.requirements_met*",
    "errata.publish*",
)

USERNAMES = Table(
    {
        "bodhi": (
            Rule(ALL, ("msg.agent",)),
            Rule(
                ALL,
                (
                    "msg.comment.user",
                    "msg.comment.user.name",
                    "msg.comment.author",
                    "msg.comment.author.name",
                ),
            ),
            Rule(
                ALL,
                (
                    "msg.update.user",
                    "msg.update.user.name",
                    "msg.update.submitter",
                    "msg.update.submitter.name",
                ),
            ),
            Rule(ALL, ("msg.override.submitter", "msg.override.submitter.name")),
            Rule(ALL, ("msg.comment.text",), mentions),
        ),
        "buildsys": (
            Rule(TAGGED + CHANGED, ("msg.owner",)),
            Rule(TAGGED, ("msg.user",)),
        ),
        "copr": (
            Rule(ALL, ("msg.user",)),
            Rule(ALL, ("msg.owner",)),
        ),
        "git": (Rule(ALL, ("msg.agent", "msg.commit.username")),),
        "pagure": (
            Rule(ALL, ("msg.agent",)),
            # Older pushes name the author of one commit instead of the one who pushed.
            Rule(PUSHED, ("msg.agent", "msg.commit.email"), account),
        ),
    }
)

PACKAGES = Table(
    {
        "bodhi": (
            Rule(
                UPDATED,
                (
                    "msg.update.title",
                    "msg.update.builds.*.nvr",
                    "msg.comment.update.title",
                    "msg.comment.update.builds.*.nvr",
                    "msg.comment.update_title",
                ),
                nvrs,
            ),
            Rule(("buildroot_override.*",), ("msg.override.build", "msg.override.build.nvr"), nvrs),
            Rule(("masher.start*",), ("msg.updates.*",), nvrs),
            Rule(("stack*",), ("msg.stack.packages.*.name",)),
        ),
        "buildsys": (
            Rule((*TAGGED, "build.state.change*"), ("msg.name",)),
            Rule(("rpm.sign*",), ("msg.info.name", "msg.rpm.name")),
            Rule(("package.list.change*",), ("msg.package",)),
        ),
        # Projects and builds of copr and pagure are not packages of the distribution.
        "copr": (),
        "git": (
            # Other namespaces hold containers, modules and tests.
            Rule(PUSHED, ("msg.commit.repo", "tail"), only=("msg.commit.namespace", ("rpms", "rpms-checks"))),
            Rule(("branch*",), ("msg.name", "tail")),
            Rule(("lookaside*",), ("msg.name",)),
            Rule(("pkgdb2branch.complete*",), ("msg.branchedPackages.*",)),
            Rule(("pkgdb2branch.complete*",), ("msg.unbranchedPackages.*",)),
        ),
        "pagure": (),
    }
)

CATEGORIES = frozenset(USERNAMES)


def usernames(message: Mapping[str, Any]) -> frozenset[str]:
    """The users that the headers name, else those of a message of CATEGORIES; none where its shape is unknown."""
    return headers.usernames(message) or USERNAMES.names(message)


def packages(message: Mapping[str, Any]) -> frozenset[str]:
    """The packages that the headers name, else those of a message of CATEGORIES; none where its shape is unknown."""
    return headers.packages(message) or PACKAGES.names(message)


def agent(message: Mapping[str, Any]) -> str | None:
    """Who did what a message of CATEGORIES tells of; None where nobody did, or its shape is unknown."""
    return agents.by_rules(message)
