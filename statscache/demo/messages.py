"""Made-up messages in the shapes of Fedora's bus."""

from __future__ import annotations

import random
from bisect import bisect
from collections.abc import Callable
from itertools import accumulate
from typing import Any

Content = tuple[str, str, dict[str, Any]]  # the topic behind its prefix, the sender's account, msg
FIRST = "amber birch cedar delta ember flint grove hazel iris juniper kite larch maple north ocean pine"
LAST = "arrow brook crane dune elk finch gull heron ibis jay kestrel lark marten newt otter plover"
BOTS = ("releng-bot", "packagerbot", "upstream-bot")
USERS = (*BOTS, *(f"{first}{last}" for last in LAST.split() for first in FIRST.split()))
STEMS = "perl python3 rubygem golang rust nodejs php ghc lib texlive mingw"
PACKAGES = tuple(
    f"{stem}-{first}-{last}"
    for first in FIRST.split()[:10]
    for last in LAST.split()[:10]
    for stem in STEMS.split()
)
PROJECTS = tuple(f"{first}-{last}" for last in LAST.split()[:12] for first in FIRST.split())
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
IMAGES = ("Fedora-Cloud-Base-24-20240601.0.x86_64", "fedora-cloud-base-rawhide-20240601.x86_64")


def _long_tail(names: tuple[str, ...]) -> tuple[tuple[str, ...], list[float]]:
    """Return the names with cumulative shares that fall with their rank, as words' do."""
    return names, list(accumulate(1 / rank for rank in range(3, len(names) + 3)))


class Cast:
    """Who and what messages are about, drawn from one source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self._shares = {name: _long_tail(names) for name, names in LISTS.items()}

    def draw(self, name: str) -> str:
        """Return a user, package or project; some are far more common than others."""
        names, shares = self._shares[name]
        return names[bisect(shares, self.chance.random() * shares[-1])]

    @property
    def user(self) -> str:
        return self.draw("user")

    @property
    def package(self) -> str:
        return self.draw("package")

    def number(self) -> int:
        """Return an identifier such as tasks and issues have."""
        return self.chance.randrange(1000, 9_999_999)

    def one_of(self, *choices: Any) -> Any:
        return self.chance.choice(choices)


LISTS = {"user": USERS, "package": PACKAGES, "project": PROJECTS}


def _buildsys(cast: Cast) -> Content:
    if cast.chance.random() < 0.3:
        return _image_task(cast)
    return _build(cast)


def _build(cast: Cast) -> Content:
    msg = {
        "attribute": "state",
        "build_id": cast.number(),
        "instance": "primary",
        "name": cast.package,
        "new": cast.one_of(0, 1, 1, 3),
        "old": 0,
        "owner": cast.user,
        "release": "1.fc41",
        "version": f"{cast.chance.randrange(9)}.{cast.chance.randrange(30)}",
    }
    return "buildsys.build.state.change", "apache", msg


def _image_task(cast: Cast) -> Content:
    masher = cast.chance.random() < 0.1
    arch = cast.one_of("x86_64", "i686")
    package = (
        f"Fedora-Live-{cast.one_of('KDE', 'LXDE', 'Xfce')}-{arch}" if masher else f"{cast.package}-1.0-1.fc41"
    )
    msg = {
        "attribute": "state",
        "id": cast.number(),
        "info": {"request": [package, "rawhide", arch, {"release": "20240601"}], "children": []},
        "instance": "primary",
        "method": "livecd" if masher else "buildArch",
        "new": cast.one_of("OPEN", "CLOSED", "FAILED"),
        "old": "FREE",
        "owner": "masher" if masher else cast.user,
        "srpm": package if masher else f"{package}.src.rpm",
    }
    return "buildsys.task.state.change", "apache", msg


def _copr(cast: Cast) -> Content:
    user, package = cast.user, cast.package
    ended = cast.chance.random() < 0.5
    msg = {
        "build": cast.number(),
        "chroot": f"fedora-rawhide-{cast.one_of(*ARCHES)}",
        "copr": cast.draw("project"),
        "owner": user,
        "pkg": package,
        "status": cast.one_of(0, 1) if ended else 3,
        "user": user,
        "version": "1.0-1",
        "what": f"build {'end' if ended else 'start'}: {package}",
    }
    return f"copr.build.{'end' if ended else 'start'}", "copr", msg


def _git(cast: Cast) -> Content:
    package, user = cast.package, cast.user
    commit = {
        "branch": cast.one_of("rawhide", "f41", "f40"),
        "email": f"{user}@example.org",
        "message": f"Update to {cast.chance.randrange(9)}.{cast.chance.randrange(30)}\n",
        "name": user.title(),
        "namespace": "rpms",
        "path": f"/srv/git/repositories/rpms/{package}.git",
        "repo": package,
        "rev": f"{cast.chance.getrandbits(160):040x}",
        "seen": False,
        "stats": {"files": {"sources": {"additions": 1, "deletions": 1, "lines": 2}}, "total": {"files": 1}},
        "summary": "Update",
        "username": user,
    }
    return "git.receive", user, {"commit": commit}


def _bodhi(cast: Cast) -> Content:
    if cast.chance.random() < 0.1:
        sync = {
            "release": "41",
            "repo": cast.one_of("updates", "updates-testing"),
            "bytes": "1.2 GB",
            "files": "120",
        }
        return "bodhi.updates.fedora.sync", "ftpsync", sync
    user, package = cast.user, cast.package
    build = f"{package}-1.0-1.fc41"
    update = {"title": build, "status": "testing", "builds": [{"nvr": build}], "user": {"name": user}}
    if cast.chance.random() < 0.5:
        commenter = cast.user
        comment = {
            "user": {"name": commenter},
            "update": update,
            "karma": 1,
            "text": "works",
            "update_title": build,
        }
        return "bodhi.update.comment", "bodhi", {"agent": commenter, "comment": comment}
    verb = cast.one_of("request.testing", "request.stable", "complete.stable")
    return f"bodhi.update.{verb}", "bodhi", {"agent": user, "update": update}


def _pagure(cast: Cast) -> Content:
    user = cast.user
    project = {
        "name": cast.draw("project"),
        "namespace": None,
        "user": {"name": cast.user},
        "id": cast.number(),
    }
    kind = cast.one_of(
        "git.receive", "issue.new", "issue.comment.added", "issue.comment.edited", "pull-request.new"
    )
    if kind == "git.receive":
        push = {
            "agent": user,
            "authors": [{"name": user}],
            "branch": "main",
            "total_commits": 1,
            "repo": project,
        }
        return f"pagure.{kind}", "pagure", push
    if kind == "pull-request.new":
        request = {"id": cast.number(), "project": project, "user": {"name": user}, "title": "Mend it"}
        return f"pagure.{kind}", "pagure", {"agent": user, "pullrequest": request}
    issue = {"id": cast.number(), "title": "It breaks", "status": "Open", "user": {"name": user}}
    return f"pagure.{kind}", "pagure", {"agent": user, "issue": issue, "project": project}


def _compose(cast: Cast) -> Content:
    stage = cast.one_of("", ".mash", ".pungify", ".rsync")
    arch = cast.one_of("", "arm", "ppc", "s390")
    branch, status = cast.one_of("rawhide", "branched"), cast.one_of("start", "complete")
    return f"compose.{branch}{stage}.{status}", "root", {"arch": arch, "branch": branch, "log": status}


def _fedimg(cast: Cast) -> Content:
    region = cast.one_of("us-east-1", "eu-west-1", "ap-southeast-2")
    msg = {
        "destination": f"EC2 ({region})",
        "extra": {"id": f"ami-{cast.chance.getrandbits(32):08x}", "virt_type": "hvm"},
        "image_name": cast.one_of(*IMAGES),
        "image_url": "https://example.org/image.raw.xz",
        "status": cast.one_of("started", "completed", "completed"),
    }
    return "fedimg.image.upload", "fedimg", msg


def _other(category: str, *verbs: str) -> Callable[[Cast], Content]:
    """Return a maker of messages that nothing but the volumes looks into."""

    def make(cast: Cast) -> Content:
        msg = {
            "id": cast.number(),
            "agent": cast.user,
            "project": cast.draw("project"),
            "package": cast.package,
        }
        return f"{category}.{cast.one_of(*verbs)}", category, msg

    return make


MAKERS: dict[str, Callable[[Cast], Content]] = {
    "buildsys": _buildsys,
    "copr": _copr,
    "git": _git,
    "bodhi": _bodhi,
    "pagure": _pagure,
    "compose": _compose,
    "fedimg": _fedimg,
    "github": _other("github", "push", "issue.comment", "pull_request.opened"),
    "bugzilla": _other("bugzilla", "bug.new", "bug.update"),
    "mailman": _other("mailman", "receive"),
    "fedbadges": _other("fedbadges", "badge.award", "person.rank.advance"),
    "anitya": _other("anitya", "project.version.update"),
    "askbot": _other("askbot", "post.edit", "tag.update"),
    "wiki": _other("wiki", "article.edit"),
    "meetbot": _other("meetbot", "meeting.start", "meeting.complete"),
    "planet": _other("planet", "post.new"),
}
