"""Who did what a message tells of: one person, or nobody.

Who is only mentioned is never the agent: the assignee, the owner of a package or of a project, the author of a commit
that somebody else may have pushed, who submitted what later ends by itself. Where a message does not say who did it,
or says it in two ways, nobody did. That a build, a push to the mirrors or a threshold comes to its end is nobody's
deed, as the schemas of koji and copr have it, too.

These are asked in this order, until one has an answer: the message class of its schema; the archive, which has kept
what that class said when the message was sent; a fedmsg.meta processor that says so itself, whose answer is final; our
rules. The headers name users, but do not say which of them did it, and fedmsg.meta without a processor's word takes any
of the users.
"""

import re
from collections.abc import Mapping
from typing import Any

from statscache.database.texts import check_key
from statscache.errors import Unstorable
from statscache.messages.headers import schema_of
from statscache.messages.rule import Rule, Table, account

#: The name under which rows of archives have who did it.
ARCHIVED = "agent_name"
#: The OpenID of an account, which stands for it.
OPENID = re.compile(r"https?://([^./@]+)\.id\.fedoraproject\.org/?")

ALL = ("*",)
COMMENTERS = ("msg.comment.user.name", "msg.comment.user", "msg.comment.author.name", "msg.comment.author")

AGENTS = Table(
    {
        "bodhi": (
            Rule(ALL, ("msg.agent",)),
            Rule(("update.comment*",), COMMENTERS, only=("msg.comment.anonymous", (False, None))),
            # An override ends by its date, by its update or by anybody's hand: whose, the message does not say.
            Rule(("buildroot_override.tag*",), ("msg.override.submitter.name", "msg.override.submitter")),
        ),
        "buildsys": (
            # The owner is the build's, whoever tags it.
            Rule(("tag*", "untag*"), ("msg.user",)),
            # A build that begins (0) does so for its owner. Who cancelled one, the message does not say.
            Rule(("build.state.change*",), ("msg.owner",), needs=("msg.new", (0,))),
            Rule(("task.state.change*",), ("msg.owner",), needs=("msg.new", ("FREE", "OPEN"))),
        ),
        # The owner is the project's, whoever builds there.
        "copr": (Rule(("build.start*", "chroot.start*"), ("msg.user",)),),
        # The hook takes the name under which whoever pushes has logged in; `name` and `email` are the author's.
        "git": (Rule(ALL, ("msg.agent", "msg.commit.username")),),
        # Older pushes name authors of commits only; the agent of such a commit is the server's own account, git.
        "pagure": (Rule(ALL, ("msg.agent",)),),
    }
)


def by_rules(message: Mapping[str, Any]) -> str | None:
    """Who did it by our own rules; None where nobody did, where it is in doubt, or where the shape is unknown."""
    names = AGENTS.names(message)
    return usable(next(iter(names))) if len(names) == 1 else None


def archived(message: Mapping[str, Any]) -> str | None:
    """Who did it as the archive says that the message comes from.

    Without a schema of its own a message is one of fedmsg's: what archives now call the agent of those was the sender,
    such as "apache".
    """
    return usable(message.get(ARCHIVED)) if schema_of(message) is not None else None


def usable(name: Any) -> str | None:
    """The account that a name stands for; None for a group, and for what cannot be a key of a table."""
    if not isinstance(name, str):
        return None
    openid = OPENID.fullmatch(name)
    (person,) = [openid[1]] if openid else account(name)
    if not person or person.startswith("@"):
        return None
    try:
        check_key(person)
    except Unstorable:
        return None
    return person
