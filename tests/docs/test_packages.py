"""The packages of plugins that the documentation shows: as they stand, they can be installed, and count."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from tests.docs.conftest import make_commands
from tests.support.examples import Page, page, pages
from tests.support.place import Place

pytestmark = pytest.mark.slow

PACKAGES = [each for each in pages() if each.is_package]
#: 2024-06-01 12:00:00 UTC.
NOON = 1_717_243_200
TUTORIAL = "docs/plugins/tutorial.md"
SCRIPT = """
import json, sys
from statscache.daemon import open_daemon
daemon = open_daemon({"statscache.sqlalchemy.uri": sys.argv[1], "statscache.spool.directory": sys.argv[3]})
for message in json.loads(sys.argv[2]):
    assert daemon.intake.accept(message)
assert daemon.finish(10)
"""


@dataclass(frozen=True)
class Case:
    """What a package must come to.

    :param messages: topic, msg, and seconds after noon of each
    :param answers: the rows that SQL must give
    :param quarantined: how many messages each plugin cannot digest
    """

    messages: list[tuple[str, dict[str, Any], int]]
    answers: dict[str, list[tuple[Any, ...]]]
    quarantined: dict[str, int]


def hours(table: str, *columns: str) -> str:
    """Return a question for all rows of a table, its windows as hours of the day."""
    hour = "extract(hour FROM timestamp AT TIME ZONE 'UTC')::int"
    return f"SELECT {hour}, {', '.join(columns)} FROM {table} ORDER BY 1, 2"


EDIT = "org.fedoraproject.prod.wiki.article.edit"
WIKI = Case(
    [(EDIT, {"title": title}, 1200 * n) for n, title in enumerate(["Main", "Main", "Other", "Main"])]
    + [("org.fedoraproject.prod.wiki.upload.complete", {"title": "Main"}, 0)],
    {hours("wiki_edits_by_page_1h", "page", "volume"): [(12, "Main", 2), (12, "Other", 1), (13, "Main", 1)]},
    {},
)
BUILD = "org.fedoraproject.prod.copr.build.end"
COPR = Case(
    [
        *(
            (BUILD, {"chroot": "f41", "status": status}, 600 * n)
            for n, status in enumerate([1, 1, 0, 1, 0, 1, 1])
        ),
        (BUILD, {"chroot": "f40", "status": 0}, 0),
        (BUILD, {"status": 0}, 0),
        (BUILD, {"chroot": "f\0", "status": 0}, 1),
        ("org.fedoraproject.prod.copr.build.start", {"chroot": "f41", "status": 3}, 0),
    ],
    {
        hours("copr_builds_1h", "chroot", "succeeded", "failed"): [
            (12, "f40", 0, 1),
            (12, "f41", 4, 2),
            (13, "f41", 1, 0),
        ]
    },
    {"copr-builds-by-chroot-1h": 2},
)
MEETING = "org.fedoraproject.prod.meetbot.meeting"
DASHBOARD = Case(
    [
        (f"{MEETING}.complete", {"meeting_topic": "QA", "channel": "#qa", "url": "http://qa"}, 60),
        (f"{MEETING}.start", {"meeting_topic": "QA", "channel": "#qa"}, 60),
        (f"{MEETING}.start", {"meeting_topic": "Old", "channel": "#qa"}, 0),
        (f"{MEETING}.start", {"meeting_topic": "Docs", "channel": "#docs"}, 30),
        ("org.fedoraproject.prod.compose.rawhide.start", {}, 0),
        ("org.fedoraproject.prod.fedimg.image.upload", {"image_name": "cloud", "status": "started"}, 0),
        ("org.fedoraproject.prod.fedimg.image.upload", {"image_name": "cloud"}, 1),
    ],
    {
        "SELECT category_constraint, message->>'name', message->>'status', message->>'link' "
        "FROM meetbot_latest ORDER BY 1": [
            ("#docs", "Docs", "start", None),
            ("#qa", "QA", "complete", "http://qa"),
        ],
        "SELECT category, category_constraint, message->>'status' FROM dashboard_latest ORDER BY 1": [
            ("compose", "rawhide", "start"),
            ("image", "cloud", "started"),
        ],
    },
    {"dashboard/images": 1},
)
STARTED = "org.fedoraproject.prod.copr.build.start"
F41, F40 = {"build": 1, "chroot": "f41"}, {"build": 2, "chroot": "f40"}
LENGTHS = Case(
    [
        (BUILD, F41 | {"status": 1}, 3700),
        (STARTED, F41 | {"status": 3}, 100),
        (STARTED, F40 | {"status": 3}, 200),
        (BUILD, {"build": 3, "chroot": "f40", "status": 0}, 300),
        (BUILD, {"chroot": "f40", "status": 0}, 300),
    ],
    {
        hours("copr_build_lengths_1h", "chroot", "outcome", "bucket", "volume", "seconds"): [
            (12, "f40", "failed", -1, 1, 0),
            (13, "f41", "succeeded", 456, 1, 3600),
        ],
        "SELECT id FROM copr_build_lengths_1h_event WHERE NOT ends ORDER BY 1": [("1 f41",), ("2 f40",)],
    },
    {"copr-build-lengths-1h": 1},
)
INCIDENT = "org.example.prod.status.incident"
INCIDENTS = Case(
    [
        (f"{INCIDENT}.close", {"id": "7", "title": "koji is down", "lasted": 600}, 900),
        (f"{INCIDENT}.open", {"id": "7", "title": "koji is down"}, 300),
        (f"{INCIDENT}.open", {"id": "8", "title": "mail is slow", "url": "https://example.org/8"}, 60),
        (f"{INCIDENT}.open", {"id": "9"}, 60),
        (f"{INCIDENT}.open", {"id": "10", "title": "no link", "url": "example.org"}, 60),
    ],
    {
        "SELECT key, extract(epoch FROM start)::bigint, (stop - start)::text, kind, text, link "
        "FROM status_incidents ORDER BY 1": [
            ("7", NOON + 300, "00:10:00", "outage", "koji is down", None),
            ("8", NOON + 60, None, "outage", "mail is slow", "https://example.org/8"),
        ]
    },
    {"incidents": 1},
)
RECEIVE = "org.fedoraproject.prod.git.receive"


def commit(repo: str, lines: Any) -> dict[str, Any]:
    """Return what a commit says."""
    return {"commit": {"repo": repo, "stats": {"total": {"lines": lines}}}}


COMMITS = Case(
    [
        (RECEIVE, commit("bash", 7), 0),
        (RECEIVE, commit("bash", 0.5), 3599),
        (RECEIVE, commit("zsh", 40), 60),
        (RECEIVE, commit("zsh", "many"), 60),
        (RECEIVE, commit("bash", 3), 3600),
        ("org.fedoraproject.prod.git.branch", commit("bash", 9), 0),
    ],
    {
        hours("commit_sizes_1h", "repo", "count", "sum::text", "least::text", "greatest::text"): [
            (12, "bash", 2, "7.5", "0.5", "7"),
            (12, "zsh", 1, "40", "40", "40"),
            (13, "bash", 1, "3", "3", "3"),
        ]
    },
    {"commit-sizes-1h": 1},
)
OLD = Case(
    [("a.b.c.d", {}, seconds) for seconds in (0, 59, 60, 3600)],
    {hours(table, "volume"): [(12, 1), (12, 2), (13, 1)] for table in ("old_volume_1m", "new_volume_1m")},
    {},
)
CASES = {
    "README.md": WIKI,
    TUTORIAL: WIKI,
    "docs/plugins/own-table.md": COPR,
    "docs/plugins/latest.md": DASHBOARD,
    "docs/plugins/durations.md": LENGTHS,
    "docs/plugins/notes.md": INCIDENTS,
    "docs/plugins/sums.md": COMMITS,
    "docs/plugins/upgrading.md": OLD,
}


def install(files: dict[str, str], directory: Path) -> dict[str, str]:
    """Install a package of these files, and return an environment in which it is found."""
    source, target = directory / "source", directory / "installed"
    for name, content in files.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(target), str(source)], check=True)
    environment = {**Place(directory).environment, "PYTHONPATH": str(target)}
    return environment | {"PATH": f"{make_commands(directory)}:{os.environ['PATH']}"}


def bodies(case: Case) -> list[dict[str, Any]]:
    """Return the messages as they come over the bus."""
    return [
        {"topic": topic, "msg": msg, "msg_id": f"2024-{n:03}", "timestamp": NOON + seconds}
        for n, (topic, msg, seconds) in enumerate(case.messages)
    ]


@pytest.mark.parametrize("shown", PACKAGES, ids=lambda it: it.path)
def test_a_package_of_the_documentation_counts(
    shown: Page, database: str, engine: Engine, tmp_path: Path
) -> None:
    """Its plugins are on once it is installed, their tables hold what they must, and the page's SQL answers."""
    assert shown.path in CASES, (
        f"{shown.path} shows a package: say in tests/docs/test_packages.py what it must count"
    )
    case = CASES[shown.path]
    environment = install(shown.files, tmp_path)
    subprocess.run(
        [sys.executable, "-c", SCRIPT, database, json.dumps(bodies(case)), str(tmp_path / "spool")],
        env=environment,
        check=True,
        timeout=120,
    )
    with engine.connect() as connection:
        for question, rows in case.answers.items():
            assert [tuple(row) for row in connection.exec_driver_sql(question)] == rows
        left = connection.exec_driver_sql(
            "SELECT plugin, count(*) FROM statscache_quarantine GROUP BY plugin"
        )
        assert dict(left.all()) == case.quarantined
        for example in shown.examples:
            if example.language == "sql" and shown.path != "README.md":
                assert connection.exec_driver_sql(example.text).all(), example


@pytest.mark.parametrize(
    "shown", [it for it in PACKAGES if "wikistats.py" in it.files], ids=lambda it: it.path
)
def test_a_plugin_that_counts_is_short(shown: Page) -> None:
    """The first plugin that a page shows is 15 lines at most."""
    first = next(example for example in shown.examples if example.file == "wikistats.py")
    assert len([line for line in first.text.splitlines() if line.strip()]) <= 15


def test_the_tests_of_the_testing_page_pass(tmp_path: Path) -> None:
    """They test the plugin of the tutorial, as its last form is."""
    environment = install(page(TUTORIAL).files, tmp_path)
    tests = {
        name: text for name, text in page("docs/plugins/testing.md").files.items() if name.startswith("test_")
    }
    assert tests
    for name, text in tests.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout
    assert "skipped" not in done.stdout
