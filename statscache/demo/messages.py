"""Made-up messages in the shapes of Fedora's bus."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from statscache.demo.cast import Cast

Content = tuple[str, str, dict[str, Any]]  # the topic behind its prefix, the sender's account, msg
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
IMAGES = ("Fedora-Cloud-Base-24-20240601.0.x86_64", "fedora-cloud-base-rawhide-20240601.x86_64")


def _buildsys(cast: Cast) -> Content:
    if cast.chance.random() < 0.3:
        return _image_task(cast)
    return _build(cast)


def _build(cast: Cast) -> Content:
    if (build := cast.end("build", 60)) is not None:
        return "buildsys.build.state.change", "apache", {**build, "new": cast.one_of(1, 1, 1, 3), "old": 0}
    msg = {
        "attribute": "state",
        "build_id": cast.number(),
        "instance": "primary",
        "name": cast.package,
        "new": 0,
        "old": None,
        "owner": cast.user,
        "release": "1.fc41",
        "version": f"{cast.chance.randrange(9)}.{cast.chance.randrange(30)}",
    }
    return "buildsys.build.state.change", "apache", cast.begin("build", msg)


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
    if (build := cast.end("chroot", 40)) is not None:
        ended = {"status": cast.one_of(0, 1, 1), "what": f"build end: {build['pkg']}"}
        return "copr.build.end", "copr", {**build, **ended}
    user, package = cast.user, cast.package
    msg = {
        "build": cast.number(),
        "chroot": f"fedora-rawhide-{cast.one_of(*ARCHES)}",
        "copr": cast.draw("project"),
        "owner": user,
        "pkg": package,
        "status": 3,
        "user": user,
        "version": "1.0-1",
        "what": f"build start: {package}",
    }
    return "copr.build.start", "copr", cast.begin("chroot", msg)


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
    update = {
        "alias": f"FEDORA-2024-{cast.chance.getrandbits(40):010x}",
        **{"title": build, "status": "testing", "builds": [{"nvr": build}], "user": {"name": user}},
        "release": {"name": cast.one_of("F40", "F41")},
    }
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
    if (submitted := cast.end("update", 12)) is not None:
        stable = {"agent": "bodhi", "update": {**submitted, "status": "stable", "request": None}}
        return "bodhi.update.complete.stable", "bodhi", stable
    submitted = cast.begin("update", {**update, "status": "pending", "request": "testing"})
    return "bodhi.update.request.testing", "bodhi", {"agent": user, "update": submitted}


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
        if (request := cast.end("request", 8)) is not None:
            closed = {"agent": user, "pullrequest": request, "merged": cast.one_of(True, True, False)}
            return "pagure.pull-request.closed", "pagure", closed
        request = {"id": cast.number(), "project": project, "user": {"name": user}, "title": "Mend it"}
        return f"pagure.{kind}", "pagure", {"agent": user, "pullrequest": cast.begin("request", request)}
    if kind == "issue.new" and (issue := cast.end("issue", 8)) is not None:
        changed = {**issue, "issue": {**issue["issue"], "status": "Closed"}, "fields": ["status"]}
        return "pagure.issue.edit", "pagure", {**changed, "agent": user}
    about = {"id": cast.number(), "title": "It breaks", "status": "Open", "user": {"name": user}}
    msg = {"agent": user, "issue": about, "project": project}
    return f"pagure.{kind}", "pagure", cast.begin("issue", msg) if kind == "issue.new" else msg


def _compose(cast: Cast) -> Content:
    stage = cast.one_of("", ".mash", ".pungify", ".rsync")
    arch = cast.one_of("", "arm", "ppc", "s390")
    branch, status = cast.one_of("rawhide", "branched"), cast.one_of("start", "complete")
    return f"compose.{branch}{stage}.{status}", "root", {"arch": arch, "branch": branch, "log": status}


def _pungi(cast: Cast) -> Content:
    compose, status = cast.end("compose", 2), cast.one_of("FINISHED", "FINISHED_INCOMPLETE", "DOOMED")
    if compose is None:
        release, number = cast.one_of("Fedora-Rawhide", "Fedora-41", "Fedora-IoT-41"), cast.number()
        compose, status = cast.begin("compose", f"{release}-20240601.n.{number}"), "STARTED"
    return "pungi.compose.status.change", "root", {"compose_id": compose, "status": status}


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
    "pungi": _pungi,
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
