"""The pages and files, as a program gets them."""

from __future__ import annotations

import csv
import gzip
import html
import io
import json
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from tests.support.figures import ARCHIVE
from tests.support.web import Reply, Server

HTML = "text/html,application/xhtml+xml"
STATISTICS = [
    "bodhi-updates",
    "contributions-by-agent-and-category",
    "copr-builds",
    "koji-builds",
    "newcomers",
    "pagure-contributions",
    "pagure-contributions-by-project",
    "pagure-contributions-by-user",
    "pagure-issues",
    "pagure-pull-requests",
    "pungi-composes",
    "volume",
    "volume-by-category",
    "volume-by-package",
    "volume-by-topic",
    "volume-by-user",
]
VIEW = "/view/volume-by-category"
#: Longer than the server takes as known what it asked the database.
A_MOMENT = 0.3
BOARD = "/board/release-engineering-event-logs"
#: What the plugins of the board have counted: something, the last 25 hours but five minutes, and that again.
COVERED = "SELECT plugin, covered::text FROM statscache_coverage WHERE plugin LIKE 'release-engineering-event-logs/%'"
COVERS = (
    "UPDATE statscache_coverage SET covered = tstzmultirange(tstzrange(CAST(:now AS timestamptz) - interval "
    "'25 hours', :now - interval '5 minutes')) WHERE plugin LIKE 'release-engineering-event-logs/%'"
)
COVERED_AGAIN = (
    "UPDATE statscache_coverage SET covered = CAST(:covered AS tstzmultirange) WHERE plugin = :plugin"
)


def page(site: Server, path: str, query: Any = (), **headers: str) -> str:
    """Return a page."""
    reply = site.get(path, query, **{"Accept": HTML, **headers})
    assert reply.status == 200, reply.body
    assert reply.headers["Content-Type"] == "text/html; charset=utf-8"
    return reply.body.decode()


def lines(reply: Reply) -> list[dict[str, str]]:
    """Return the rows of a file of CSV."""
    assert reply.status == 200, reply.body
    return list(csv.DictReader(io.StringIO(reply.body.decode())))


def test_the_overview_has_a_card_for_each_statistic(site: Server) -> None:
    text = page(site, "/")
    assert re.findall(r'<h2><a href="/view/([\w-]+)">', text) == STATISTICS
    assert f'href="{BOARD}"' in text
    assert "statscache.sqlalchemy" not in text


@pytest.mark.parametrize("ident", STATISTICS)
@pytest.mark.parametrize("ending", ["", ".csv", ".json", ".svg"])
def test_each_statistic_has_a_page_and_files(ident: str, ending: str, site: Server) -> None:
    reply = site.get(f"/view/{ident}{ending}")
    assert reply.status == 200, reply.body
    if ending == ".svg":
        ET.fromstring(reply.body)
    if ending == ".json":
        assert reply.json["statistic"] == ident


@pytest.mark.parametrize("path", ["/", VIEW, BOARD, f"{VIEW}.csv", f"{VIEW}.svg", "/badge/volume.svg"])
def test_pages_let_nothing_in_and_tell_nobody(path: str, site: Server) -> None:
    reply = site.get(path)
    policy = reply.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.headers["Set-Cookie"] is None
    assert reply.headers["Referrer-Policy"] == "same-origin"
    assert b"style=" not in reply.body
    assert not re.search(rb'<(?:script|img|link|iframe)[^>]*"(?:https?:)?//', reply.body)


@pytest.mark.parametrize("path", [VIEW, f"{VIEW}.json", f"{VIEW}.svg", "/badge/volume.svg"])
def test_what_is_unchanged_is_not_sent_again(path: str, site: Server) -> None:
    tag = site.get(path).headers["ETag"]
    assert site.get(path, If_None_Match=tag).status == 304


def test_the_files_say_the_same_as_each_other(site: Server) -> None:
    query = {"range": "month", "step": "day", "tz": "Europe/Berlin", "top": "3"}
    whole = site.get(f"{VIEW}.json", query).json
    rows = lines(site.get(f"{VIEW}.csv", query))
    assert whole["step"] == "day"
    assert whole["tz"] == "Europe/Berlin"
    assert len(rows) == len(whole["periods"]) * len(whole["lines"])
    for place, period in enumerate(whole["periods"]):
        its = [row for row in rows if row["start"] == period["start"]]
        assert [int(row["volume"]) for row in its] == [line["volumes"][place] for line in whole["lines"]]
        assert {row["complete"] for row in its} == {"true" if period["complete"] else "false"}
        assert {row["plugin"] for row in its} == {"volume-by-category-1h"}
        assert period["volume"] == sum(int(row["volume"]) for row in its)


def test_a_gap_says_why(site: Server) -> None:
    periods = site.get(f"{VIEW}.json", {"range": "week", "step": "day"}).json["periods"]
    lost = [each for period in periods for each in period["missing"] if each["reason"] == "lost"]
    assert lost
    assert all(each["detail"] == "the disk of the spool was full" for each in lost)
    assert periods[-1]["missing"][0]["reason"] == "unfinished"
    text = page(site, VIEW, {"range": "week", "step": "day"})
    assert "the disk of the spool was full" in text
    assert "Not complete: 2 of 7 periods lack messages" in text


def test_each_period_leads_to_its_messages(site: Server) -> None:
    query = {"start": "2026-01-05", "stop": "2026-01-07", "step": "day", "category": "git"}
    text = page(site, VIEW, query)
    start = int(datetime(2026, 1, 5, tzinfo=UTC).timestamp())
    asked = f"{ARCHIVE}/raw?category=git&amp;order=asc&amp;start={start}&amp;end={start + 86_400}"
    assert f'href="{asked}"' in text


def test_a_complete_range_is_called_complete(site: Server) -> None:
    hour = [f"{datetime.now(UTC) - timedelta(hours=each):%Y-%m-%dT%H:00:00Z}" for each in (3, 2)]
    text = page(site, VIEW, {"start": hour[0], "stop": hour[1]})
    assert '<p class="verdict whole">Complete.</p>' in text


def test_a_badge_says_whether_its_figure_is_complete(site: Server) -> None:
    assert "a day" in site.get("/badge/volume.svg").body.decode()
    assert "incomplete" not in site.get("/badge/volume.svg").body.decode()
    assert "am Tag" in site.get("/badge/volume.svg?lang=de").body.decode()
    assert site.get("/badge/volume").status == 404
    assert site.get("/badge/nothing.svg").status == 404


def test_the_language_is_asked_for_or_accepted(site: Server) -> None:
    assert "<h1>What is counted</h1>" in page(site, "/", Accept_Language="fr")
    assert "<h1>Was gezählt wird</h1>" in page(site, "/", Accept_Language="de-CH,en;q=0.3")
    assert "<h1>Was gezählt wird</h1>" in page(site, "/", {"lang": "de"}, Accept_Language="en")
    assert 'href="/view/volume?lang=de"' in page(site, "/", {"lang": "de"})


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("range=decade", "range must be"),
        ("step=fortnight", "step must be"),
        ("tz=Mars/Olympus", "IANA"),
        ("start=2024-01-02&stop=2024-01-01", "start must be before stop"),
        ("stop=2024-01-01", "stop needs a start"),
        ("start=2024-01-01&range=week", "exclude each other"),
        ("start=0001-01-01&stop=0001-01-09", "1970"),
        ("top=9", "top must be"),
        ("by=topic", "by must be"),
        ("lang=tlh", "lang must be"),
        ("nonsense=1", "there is no parameter"),
        ("category=%00", "without NUL"),
    ],
)
def test_what_cannot_be_shown_is_told_in_a_sentence(query: str, told: str, site: Server) -> None:
    """As a page to who looks for one, and as JSON to programs."""
    assert told in site.get(f"{VIEW}?{query}", Accept="application/json").error
    reply = site.get(f"{VIEW}?{query}", Accept=HTML)
    assert reply.status == 400
    assert told in re.sub(r"&#\d+;", "'", reply.body.decode())
    assert "unsafe" not in reply.headers["Content-Security-Policy"]


REFUSED_IN_GERMAN = {
    "range=decade": "range: erwartet wird hour oder day oder week oder month oder quarter oder year oder all, "
    "nicht 'decade'",
    "tz=Europe/Bonn": "tz: erwartet wird der IANA-Name einer Zeitzone, wie Europe/Berlin, nicht 'Europe/Bonn'",
    "stop=2024-01-01": "stop braucht ein start",
    "nonsense=1": "hier gibt es keinen Parameter 'nonsense': es gibt ",
    "category=%00": "category: erwartet wird ein Text von höchstens 2600 Zeichen ohne NUL",
    "start=1960-01-01": "Nachrichten gibt es von 1970 bis 9998",
}


@pytest.mark.parametrize(("query", "told"), REFUSED_IN_GERMAN.items())
def test_a_refusal_is_in_the_language_of_the_page(query: str, told: str, site: Server) -> None:
    """And in English for programs, and at the API."""
    reply = site.get(f"{VIEW}?{query}&lang=de", Accept=HTML)
    assert reply.status == 400
    assert told in html.unescape(reply.body.decode())
    assert "<title>Das lässt sich nicht zeigen" in reply.body.decode()
    english = site.get(f"{VIEW}?{query}&lang=de", Accept="application/json").error
    assert english in html.unescape(site.get(f"{VIEW}?{query}&lang=en", Accept=HTML).body.decode())
    for path in ("/view/nothing", f"{VIEW}.exe", "/board/nothing", "/nothing"):
        text = html.unescape(site.get(f"{path}?lang=de", Accept=HTML).body.decode())
        assert re.search(r"hier gibt es|eine Ansicht gibt es nicht", text)


@pytest.mark.parametrize(
    "path", ["/nothing", "/view/nothing", f"{VIEW}.exe", "/board/volume-1s", "/static/../x", "/view/"]
)
def test_what_is_not_there_is_told(path: str, site: Server) -> None:
    reply = site.get(path, Accept=HTML)
    assert reply.status == 404
    assert b"<h1>" in reply.body
    assert "there is n" in site.get(path).error


def test_a_first_visit_is_small(site: Server) -> None:
    text = site.get("/", Accept=HTML)
    parts = [text.body] + [
        site.get(path).body for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', text.body.decode())
    ]
    assert len(parts) == 4
    assert sum(map(len, parts)) <= 60_000
    assert sum(len(gzip.compress(part)) for part in parts) <= 20_000
    assert len(parts[3]) <= 12_000


def test_what_is_compressed_is_the_same(site: Server) -> None:
    plain, packed = site.get(f"{VIEW}.json"), site.get(f"{VIEW}.json", Accept_Encoding="br, gzip")
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert site.get(f"{VIEW}.json", Accept_Encoding="gzip;q=0").headers["Content-Encoding"] is None


def test_a_view_without_a_table_is_told(site: Server, filled: tuple[Engine, Server]) -> None:
    with filled[0].begin() as connection:
        connection.execute(text("ALTER TABLE data_pagure_user_contribution_1d RENAME TO away"))
    try:
        assert "the table does not exist yet" in page(site, "/", {"tz": "Asia/Tokyo"})
        assert site.get("/view/pagure-contributions-by-user?range=year").status == 503
    finally:
        with filled[0].begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO data_pagure_user_contribution_1d"))


def test_the_sentence_says_when_all_was_verified(site: Server, filled: tuple[Engine, Server]) -> None:
    """In every form and language; it no longer does once something of it may have changed."""
    engine = filled[0]
    stop = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=5)
    start = stop - timedelta(days=4)
    query = {"start": f"{start:%Y-%m-%d}", "stop": f"{stop:%Y-%m-%d}", "step": "day"}
    insert = text(
        "INSERT INTO statscache_verification (table_name, times, agrees, archive, checked) "
        "VALUES ('data_volume_by_category_1d', tstzmultirange(tstzrange(:start, :stop)), :agrees, 'it', :checked)"
    )

    def said(its_start: datetime, agrees: bool = True, lang: str = "en") -> str:
        with engine.begin() as connection:
            connection.execute(text("DELETE FROM statscache_verification"))
            connection.execute(
                insert, {"start": its_start, "stop": stop, "agrees": agrees, "checked": "2024-05-01 03:00Z"}
            )
        time.sleep(A_MOMENT)
        answer = site.get(f"{VIEW}.json", {**query, "lang": lang}, X_Follows="1").json
        assert answer["completeness"] in page(site, VIEW, {**query, "lang": lang}, X_Follows="1")
        assert (
            answer["completeness"]
            in site.get(f"{VIEW}.svg", {**query, "lang": lang}, X_Follows="1").body.decode()
        )
        return str(answer["completeness"])

    assert said(start) == "Complete; verified on May 1, 2024."
    assert {row["verified"] for row in lines(site.get(f"{VIEW}.csv", query, X_Follows="1"))} == {
        "2024-05-01T03:00:00Z"
    }
    assert said(start, lang="de") == "Vollständig; geprüft am 1. Mai 2024."
    assert said(start + timedelta(seconds=1)) == "Complete."
    assert "differed from the archive" in said(start, agrees=False)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM statscache_verification"))


@pytest.fixture
def counted(filled: tuple[Engine, Server]) -> Iterator[list[datetime]]:
    """The last four midnights; an earlier version has counted what was before the third, and the first second of it."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [midnight - timedelta(days=each) for each in (3, 2, 1, 0)]
    statement = (
        "INSERT INTO statscache_version SELECT ident, 7, tstzmultirange(tstzrange(NULL, :until)) "
        "FROM statscache_plugin WHERE ident LIKE 'volume%'"
    )
    with filled[0].begin() as connection:
        connection.execute(text(statement), {"until": days[2] + timedelta(seconds=1)})
    time.sleep(A_MOMENT)
    yield days
    with filled[0].begin() as connection:
        connection.execute(text("DELETE FROM statscache_version"))
    time.sleep(A_MOMENT)


def test_a_view_says_by_which_versions_it_was_counted(site: Server, counted: list[datetime]) -> None:
    """Of each period, in each form and language."""
    start, stop = (f"{day:%Y-%m-%d}" for day in (counted[0], counted[3]))
    query = {"start": start, "stop": stop, "step": "day"}
    answer = site.get(f"{VIEW}.json", query, X_Follows="1").json
    assert [period["versions"] for period in answer["periods"]] == [[7], [7], [1, 7]]
    rows = lines(site.get(f"{VIEW}.csv", query, X_Follows="1"))
    assert {(row["start"][:10], row["versions"]) for row in rows} == {
        (f"{day:%Y-%m-%d}", versions) for day, versions in zip(counted, ("7", "7", "1 7"), strict=False)
    }
    told = {
        "en": "Counted by versions 1 and 7 of the plugin.",
        "de": "Gezählt von den Versionen 1 und 7 des Plugins.",
    }
    for lang, sentence in told.items():
        for form in (page(site, VIEW, {**query, "lang": lang}, X_Follows="1"),
                     site.get(f"{VIEW}.svg", {**query, "lang": lang}, X_Follows="1").body.decode()):  # fmt: skip
            assert sentence in form
    whole = page(site, VIEW, query, X_Follows="1")
    assert re.findall(r"<td>(1|7|1, 7)</td></tr>", whole) == ["1, 7", "7", "7"]
    data = json.loads(re.search(r'id="data">(.*?)</script>', whole)[1])  # type: ignore[index]
    assert [why.rpartition("; ")[2] for why in data["why"].values()] == [
        "counted by version 7", "counted by version 7", "counted by versions 1 and 7",
    ]  # fmt: skip


def test_one_version_goes_without_saying_if_it_is_the_present_one(
    site: Server, counted: list[datetime]
) -> None:
    """Files say it all the same; one that is not the present one is said."""
    query = {"start": f"{counted[0]:%Y-%m-%d}", "stop": f"{counted[2]:%Y-%m-%d}", "step": "day"}
    assert "Counted by version 7 of the plugin." in page(site, VIEW, query, X_Follows="1")
    other = page(site, "/view/koji-builds", query, X_Follows="1")
    assert not re.search(r"[Cc]ounted by version|<th scope=.col.>version", other)
    periods = site.get("/view/koji-builds.json", query, X_Follows="1").json["periods"]
    assert [period["versions"] for period in periods] == [[1], [1]]


def test_a_badge_and_the_overview_say_it_of_the_headline(site: Server, counted: list[datetime]) -> None:
    badge = ET.fromstring(site.get("/badge/volume.svg", X_Follows="1").body)
    assert badge[0].text == badge.attrib["aria-label"]
    assert (badge[0].text or "").endswith(", counted by versions 1 and 7")
    cards = {its["statistic"]: its for its in site.get("/overview.json", X_Follows="1").json["statistics"]}
    assert (cards["volume"]["versions"], cards["koji-builds"]["versions"]) == ([1, 7], [1])
    rows = {row["statistic"]: row["versions"] for row in lines(site.get("/overview.csv", X_Follows="1"))}
    assert (rows["volume"], rows["koji-builds"]) == ("1 7", "1")
    whole = page(site, "/", X_Follows="1")
    assert whole.count("counted by versions 1 and 7") == sum(
        its["versions"] == [1, 7] for its in cards.values()
    )
    assert "counted by version 1<" not in whole


def test_the_overview_is_a_file_too(site: Server) -> None:
    """With what the cards say, in the language and time zone that are asked for."""
    query = {"tz": "Europe/Berlin", "lang": "de"}
    whole = site.get("/overview.json", query)
    assert whole.headers["Content-Type"] == "application/json"
    cards = {its["statistic"]: its for its in whole.json["statistics"]}
    assert list(cards) == STATISTICS
    rows = {row["statistic"]: row for row in lines(site.get("/overview.csv", query))}
    assert list(rows) == STATISTICS
    volume = cards["volume-by-category"]
    day = site.get(f"{VIEW}.json", {"range": "month", "step": "day", "tz": "Europe/Berlin"}).json["periods"][
        -2
    ]
    assert (volume["start"], volume["volume"], volume["complete"]) == (day["start"], day["volume"], True)
    assert (volume["step"], volume["tz"], len(volume["periods"])) == ("day", "Europe/Berlin", 29)
    assert volume["summary"] != volume["statistic"]
    row = rows["volume-by-category"]
    assert (row["start"], row["volume"], row["complete"]) == (day["start"], str(day["volume"]), "true")
    assert row["complete_through"] == volume["complete_through"] != ""
    assert [its["board"] for its in whole.json["boards"]] == [BOARD.rpartition("/")[2]]
    text_ = page(site, "/", query)
    for ending in ("csv", "json"):
        assert f'href="/overview.{ending}?tz=Europe%2FBerlin&amp;lang=de"' in text_
    assert "there is no form" in site.get("/overview.svg").error


def test_the_latest_states_are_files_too(site: Server, filled: tuple[Engine, Server]) -> None:
    """And nothing in them is run by a spreadsheet."""
    table = site.get(f"{BOARD}.json").json["table"]
    message = {"name": "=1+1", "status": "@x", "link": "javascript:alert(1)", "extra_text": "\u202e-2"}
    insert = text(
        f"INSERT INTO {table} (category, category_constraint, timestamp, rank, msg_id, message) "
        "VALUES ('updates-fedora', '+cmd', now(), 0, 'a', CAST(:message AS jsonb))"
    )
    with filled[0].begin() as connection:
        connection.execute(insert, {"message": json.dumps(message)})
    (row,) = lines(site.get(f"{BOARD}.csv"))
    assert (row["thing"], row["name"], row["status"], row["link"]) == ("'+cmd", "'=1+1", "'@x", "")
    assert (row["component"], row["category"]) == ("Fedora", "updates-fedora")
    whole = site.get(f"{BOARD}.json?lang=en").json  # else it is what was answered a moment ago
    (state,) = whole["states"]
    assert (state["thing"], state["message"]) == ("+cmd", message)
    assert (state["complete"], row["complete"]) == (False, "false")  # of its second nobody knows yet
    assert whole["complete"] in (True, False)  # by how long ago the tables were filled
    assert "there is no form" in site.get(f"{BOARD}.svg").error
    assert f'href="{BOARD}.csv"' in page(site, BOARD)


def test_the_latest_states_say_whether_they_are_known_to_be_the_latest(
    site: Server, filled: tuple[Engine, Server]
) -> None:
    """Each for itself, but for the last ten minutes; and the page says of a day that nothing of it is missing."""
    table, now = site.get(f"{BOARD}.json").json["table"], datetime.now(UTC)
    insert = text(
        f"INSERT INTO {table} SELECT 'updates-fedora', thing, CAST(:now AS timestamptz) - ago, 0, '', '{{}}' "
        "FROM (VALUES ('new', interval '1 hour'), ('old', interval '3 days')) AS its (thing, ago)"
    )
    with filled[0].begin() as connection:
        before = connection.execute(text(COVERED)).all()
        connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(insert, {"now": now})
        connection.execute(text(COVERS), {"now": now})
    time.sleep(A_MOMENT)
    query = {"tz": "Asia/Kathmandu"}  # nobody has asked for these pages lately
    found = {row["thing"]: row["complete"] for row in lines(site.get(f"{BOARD}.csv", query))}
    assert found == {"new": "true", "old": "false"}
    assert site.get(f"{BOARD}.json", query).json["complete"] is True
    told = page(site, BOARD, query)
    assert "Complete: every message of the last 24 hours counts, up to " in told
    assert told.count("may not be the latest") == 1
    with filled[0].begin() as connection:
        for plugin, covered in before:
            connection.execute(text(COVERED_AGAIN), {"plugin": plugin, "covered": covered})
        connection.execute(text(f"DELETE FROM {table}"))
    time.sleep(A_MOMENT)


def test_the_latest_states_say_by_which_versions_they_were_counted(
    site: Server, filled: tuple[Engine, Server]
) -> None:
    """Also where their time is not complete; the page says it where another version than the present one is in view."""
    table = site.get(f"{BOARD}.json").json["table"]
    insert = text(
        f"INSERT INTO {table} (category, category_constraint, timestamp, rank, msg_id, message) "
        "SELECT 'updates-fedora', thing, CAST(timestamp AS timestamptz), 0, thing, '{}' "
        "FROM (VALUES ('new', '2001-01-01 00:00:02.5+00'), ('both', '2001-01-01 00:00:01+00'), "
        "('old', '2001-01-01 00:00:00+00')) AS its (thing, timestamp)"
    )
    note = text(
        "INSERT INTO statscache_version SELECT ident, its.version, tstzmultirange(tstzrange("
        "'2001-01-01 00:00:00+00'::timestamptz + interval '1 second' * start, '2001-01-01 00:00:02+00')) "
        "FROM statscache_plugin, (VALUES (7, 0), (1, 1)) AS its (version, start) WHERE tables[1] = :table"
    )
    with filled[0].begin() as connection:
        connection.execute(text(f"DELETE FROM {table}"))
        connection.execute(insert)
    time.sleep(A_MOMENT)
    assert "counted by version" not in page(site, BOARD, X_Follows="1")
    with filled[0].begin() as connection:
        connection.execute(note, {"table": table})
    time.sleep(A_MOMENT)
    states = site.get(f"{BOARD}.json", X_Follows="1").json["states"]
    assert [(its["thing"], its["versions"]) for its in states] == [
        ("new", [1]),
        ("both", [1, 7]),
        ("old", [7]),
    ]
    rows = lines(site.get(f"{BOARD}.csv", X_Follows="1"))
    assert [row["versions"] for row in rows] == ["1", "1 7", "7"]
    told = page(site, BOARD, X_Follows="1")
    assert "Counted by versions 1 and 7 of the plugin.</p>" in told
    assert re.findall(r'<span class="quiet">(counted by[^<]*)</span>', told) == [
        "counted by version 1", "counted by versions 1 and 7", "counted by version 7",
    ]  # fmt: skip
    with filled[0].begin() as connection:
        connection.execute(text("DELETE FROM statscache_version"))
        connection.execute(text(f"DELETE FROM {table}"))
    time.sleep(A_MOMENT)


ODD = [
    "<script>alert(1)</script>",
    "\x1b[31mred",
    "\u202eevil",
    "k" * 600,
    "=1+cmd|' /C calc'!A0",
    "a\"b'c&d",
    "\N{GRINNING FACE}",
]


def test_odd_keys_harm_nobody(site: Server, filled: tuple[Engine, Server]) -> None:
    """In pages, pictures, files and SQL."""
    insert = "INSERT INTO data_volume_by_topic_1h VALUES (date_trunc('day', now(), 'UTC'), :key, :volume)"
    with filled[0].begin() as connection:
        for number, key in enumerate(ODD):
            connection.execute(text(insert), {"key": key, "volume": 10**6 + number})
    query = {"range": "week", "step": "hour", "top": "8"}
    text_ = page(site, "/view/volume-by-topic", query)
    assert "<script>alert" not in text_
    for character in "\x1b\u202e":
        assert character not in text_
    svg = site.get("/view/volume-by-topic.svg", query).body.decode()
    ET.fromstring(svg)
    assert not set("\x1b\u202e") & set(svg)
    keys = {row["topic"] for row in lines(site.get("/view/volume-by-topic.csv", query))}
    assert f"'{ODD[4]}" in keys
    assert not any(key.startswith(("=", "+", "-", "@")) for key in keys)
    found = site.get("/view/volume-by-topic.json", query).json
    assert set(ODD) <= {line["key"] for line in found["lines"]}
    for key in ODD:
        assert site.get("/view/volume-by-topic", {"topic": key}).status == 200
