"""The HTTP API's manners: what it lists, refuses, negotiates, remembers and withstands."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.exc import InternalError

from statscache.daemon import Daemon, open_daemon
from statscache.errors import Unusable
from statscache.instants import read_instant
from statscache.setting_types import ADDRESS
from statscache.settings import SETTINGS
from statscache.web.database import make_reader
from statscache.web.errors import Refusal
from statscache.web.formats import negotiate
from statscache.web.limits import CLIENTS, Allowance
from statscache.web.server import listen
from tests.hub import wait_for
from tests.place import Place, lines
from tests.test_web_dashboard import LOGS
from tests.web import Server, filled

VOLUME = "/api/volume-1s"
PAGE = (Path(__file__).parents[1] / "docs" / "http-api.md").read_text(encoding="utf-8")
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def body(number: int) -> dict[str, Any]:
    """Return an ordinary message."""
    topic = "org.fedoraproject.prod.bodhi.update.comment"
    return {"topic": topic, "msg": {}, "msg_id": f"2024-{number}", "timestamp": 1_717_156_800 + number}


@pytest.fixture(scope="module")
def made(server: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Server]]:
    """An API on the tables of a few messages, and an engine on them."""
    with filled(server, tmp_path_factory.mktemp("http"), *map(body, range(150))) as made:
        yield made


@pytest.fixture
def web(made: tuple[Engine, Server]) -> Server:
    """The API."""
    return made[1]


# What there is


def test_the_plugins_that_are_on_are_listed(web: Server) -> None:
    """Each ident answers, in JSON, CSV and JSON-P alike."""
    idents = web.get("/api/").json
    assert {"volume-1s", "volume-by-user-1m", "release-engineering-event-logs"} <= set(idents)
    assert web.get("/api/", Accept="text/csv").body.decode().split() == ["ident", *idents]
    script = web.get("/api/", {"callback": "f"}, Accept="*/*").body
    assert json.loads(script.removeprefix(b"f(").removesuffix(b");")) == idents
    for ident in idents:
        assert web.get(f"/api/{ident}").status == 200


@pytest.mark.parametrize(
    "path", ["/api/nothing", "/api/nothing/layout", "/api/volume-1s/layout", "/", "/api/a/b/c", "/api/%00%ff"]
)
def test_what_there_is_not_gets_404(path: str, web: Server) -> None:
    """An unknown ident, a layout that no plugin has, and any other path are told in one sentence."""
    reply = web.get(path)
    assert reply.status == 404
    assert reply.error


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_can_be_changed(method: str, web: Server) -> None:
    """Only GET and HEAD are answered."""
    reply = web.get(VOLUME, method=method)
    assert reply.status == 405
    assert sorted(reply.headers["Allow"].split(", ")) == ["GET", "HEAD"]
    assert reply.error


def test_head_gives_the_same_headers(web: Server) -> None:
    """HEAD is GET without the body."""
    got, head = web.get(VOLUME), web.get(VOLUME, method="HEAD")
    assert head.body == b""
    assert {**head.headers, "date": ""} == {**got.headers, "date": ""}


# Bad parameters

BAD = {
    "start": [
        "",
        "yesterday",
        "nan",
        "inf",
        "1e999",
        "-1e12",
        "2024-13-01",
        "2024-02-30",
        "24:00",
        "2024-05-31T12:00 02:00",
        "2024-0531T12:00",
        "202405-31T12:00",
    ],
    "stop": ["x", "2024-05-31T25:00", "2024-05-31T12:00:00+24:00", "253402300800", "٢٠٢٤-01-01"],
    "order": ["", "up", "DESC"],
    "limit": ["0", "-1", "1.5", "x", "", "1e3", "99999999999999999999", "05", " 5", "\u0665"],
    "rows_per_page": ["0", "101", "x"],
    "page": ["0", "101", "x", "-1", "1.0"],
    "cursor": ["", "x", "0" * 20_000],
    "group": ["", "volume", "category_", "timestamp,category"],
    "top": ["0", "10001", "x"],
    "category": ["\0", "x" * 2601],
    "callback": ["", "a b", "a(", "alert(1)//", "1a", "a..b", "a.", "x" * 101, "a\n", "é"],
    "_": ["x" * 101],
    "nothing": [""],
    "Start": ["1"],
    "": ["1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name in BAD for value in BAD[name]], ids=ascii)
def test_a_bad_parameter_is_named(name: str, value: str, web: Server) -> None:
    """It gets 400, and one sentence that names it and says what was expected."""
    reply = web.get("/api/volume-by-category-1s", {name: value})
    assert reply.status == 400
    assert re.search(rf"(^|'){re.escape(name)}( |')", reply.error)
    assert len(reply.error) < 500


@pytest.mark.parametrize("name", ["start", "limit", "page", "order", "callback", "group"])
def test_a_parameter_that_is_there_twice_is_named(name: str, web: Server) -> None:
    """Which of the two is meant, nobody can know."""
    value = {"start": "1", "order": "asc", "callback": "f", "group": "category"}.get(name, "1")
    reply = web.get("/api/volume-by-category-1s", [(name, value), (name, value)])
    assert (reply.status, reply.error) == (400, f"{name} may be given once only")


@pytest.mark.parametrize(
    "query", ["category=%ff", "limit=%ff", "&".join("category=a" for _ in range(21)), "a=1&" * 501]
)
def test_a_bad_query_is_told(query: str, web: Server) -> None:
    """What is no UTF-8, or too much, gets 400 as well."""
    reply = web.get(f"/api/volume-by-category-1s?{query}")
    assert reply.status == 400
    assert reply.error


@pytest.mark.parametrize(
    "path", [f"{LOGS}?group=category", f"{LOGS}?top=3", "/api/volume-1s?category=a", "/api/?limit=1"]
)
def test_what_a_plugin_has_not_got_is_unknown_there(path: str, web: Server) -> None:
    """Logs have no sums, and a table without keys has no filters."""
    reply = web.get(path)
    assert reply.status == 400
    assert "there is no parameter" in reply.error


@given(
    st.text(max_size=30) | st.from_regex(r"\A\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?([Zz]|[+-]\d\d:\d\d)?)?\Z")
)
def test_any_text_is_an_instant_or_refused(text: str) -> None:
    """No text is more than a ValueError."""
    try:
        when = read_instant(text)
    except ValueError as error:
        refused = str(error)
        assert "ISO 8601" in refused
    else:
        assert when.utcoffset() is not None


# Negotiation

JSON, CSV, SCRIPT = "application/json", "text/csv", "application/javascript"


@pytest.mark.parametrize(
    ("accept", "callback", "media"),
    [
        *((None, "", JSON), ("", "", JSON), ("*/*", "", JSON), ("application/json", "", JSON)),
        *(
            ("text/csv", "", CSV),
            ("text/*", "", CSV),
            ("TEXT/CSV", "", CSV),
            ("text/csv;q=0.5,*/*;q=0.1", "", CSV),
        ),
        *(("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "", JSON),),
        *(("application/json;q=0.2, text/csv;q=0.9", "", CSV), ("application/json;q=0,*/*", "", CSV)),
        *(("*/*", "f", SCRIPT), (None, "f", SCRIPT), ("application/javascript", "f", SCRIPT)),
        *(("text/javascript, */*;q=0.01", "f", "text/javascript"), ("application/json", "f", JSON)),
        *(("text/csv", "f", CSV), ("nonsense", "", JSON), ("text/csv;header=present", "", CSV)),
        *(("image/png", "", None), ("application/javascript", "", None), ("*/*;q=0", "", None)),
    ],
)
def test_accept_decides_the_form(accept: str | None, callback: str, media: str | None, web: Server) -> None:
    """The type that the client wants most is given, JSON if it does not care, JSON-P if there is a callback."""
    headers = {} if accept is None else {"Accept": accept}
    reply = web.get(VOLUME, {"callback": callback} if callback else {}, **headers)
    if media is None:
        assert reply.status == 406
        assert reply.error.startswith("Accept must name a type")
    else:
        assert (reply.status, reply.headers["Content-Type"].split(";")[0]) == (200, media)
        assert "Accept" in reply.headers["Vary"]


@given(
    st.text(max_size=40)
    | st.lists(st.sampled_from(["text/csv", "*/*", ";q=", "0", ".5", ",", ";"])).map("".join)
)
def test_any_accept_header_is_read(accept: str) -> None:
    """It names a type, or is refused."""
    try:
        assert negotiate(accept, None, (JSON, CSV)) in (JSON, CSV)
    except Refusal as refused:
        assert refused.status == 406  # noqa: PT017  many are refused, and some are not


def test_a_layout_is_not_a_table(web: Server) -> None:
    """It has no CSV."""
    assert web.get(f"{LOGS}/layout", Accept="text/csv").status == 406


def test_scripts_of_other_sites_may_read_answers(web: Server) -> None:
    """CORS: any origin, with all headers that matter; a browser that asks first is answered."""
    for path in (VOLUME, "/api/nothing", f"{VOLUME}?x=1"):
        reply = web.get(path, Origin="https://example.org")
        assert reply.headers.get_all("Access-Control-Allow-Origin") == ["*"]
        assert "Link" in reply.headers["Access-Control-Expose-Headers"]
    asked = {"Access_Control_Request_Method": "GET", "Access_Control_Request_Headers": "if-none-match"}
    reply = web.get(VOLUME, method="OPTIONS", Origin="https://example.org", **asked)
    assert reply.status == 200
    assert "if-none-match" in reply.headers["Access-Control-Allow-Headers"]


# Freshness


def test_what_has_not_changed_is_not_sent_again(web: Server) -> None:
    """If-None-Match, in every spelling, gets 304 without a body; another page, form or question does not."""
    tag = web.get(VOLUME).headers["ETag"]
    for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
        reply = web.get(VOLUME, If_None_Match=known)
        assert (reply.status, reply.body, reply.headers["ETag"]) == (304, b"", tag)
    assert web.get(VOLUME, {"limit": 3}, If_None_Match=tag).status == 200
    assert web.get(VOLUME, If_None_Match=tag, Accept="text/csv").status == 200
    assert web.get("/api/volume-5s", If_None_Match=tag).status == 200
    for constant in ("/api/", f"{LOGS}/layout", "/api/openapi.json"):
        assert web.get(constant, If_None_Match=web.get(constant).headers["ETag"]).status == 304


def test_every_way_to_write_a_table_changes_its_answer(
    daemon: Daemon, config: dict[str, Any], engine: Engine, database: str, tmp_path: Path
) -> None:
    """A flush, a replay and a retry each make the API give the new rows, and date them anew."""
    web = Server(tmp_path, database)
    place = Place(tmp_path, database)

    def flush() -> None:
        daemon.intake.accept(body(1))
        daemon.flusher.flush()

    def replay() -> None:
        place.write("m.jsonl", lines(body(2)))
        assert place.run("replay", "m.jsonl")[0] == 0

    before = web.get(VOLUME)
    assert before.json == []
    for number, write in enumerate((flush, replay), 1):
        time.sleep(0.3)  # longer than the API takes it as known when the table was written
        write()
        time.sleep(0.3)
        after = web.get(VOLUME, If_None_Match=before.headers["ETag"])
        assert after.status == 200
        assert len(after.json) == number
        before = after
    assert web.end() == (0, "")


def test_last_modified_is_when_the_table_was_last_written(made: tuple[Engine, Server]) -> None:
    """It is good for If-Modified-Since once no other flush can have the same second."""
    engine, web = made
    with engine.begin() as connection:
        old = (
            "UPDATE statscache_coverage SET updated = '2024-01-01 12:00:00.25+00' WHERE plugin = 'volume-5s'"
        )
        connection.execute(text(old))
    time.sleep(0.3)
    when = "Mon, 01 Jan 2024 12:00:00 GMT"
    assert web.get("/api/volume-5s").headers["Last-Modified"] == when
    assert web.get("/api/volume-5s", If_Modified_Since=when).status == 304
    assert web.get("/api/volume-5s", If_Modified_Since="Mon, 01 Jan 2024 11:59:59 GMT").status == 200
    assert web.get("/api/volume-5s", If_Modified_Since="once").status == 200
    with engine.begin() as connection:
        connection.execute(text("UPDATE statscache_coverage SET updated = now() WHERE plugin = 'volume-5s'"))
    time.sleep(0.3)
    recent = web.get("/api/volume-5s").headers["Last-Modified"]
    assert web.get("/api/volume-5s", If_Modified_Since=recent).status == 200


# Trouble


def test_a_database_that_is_away_is_told_and_come_back_is_used(
    made: tuple[Engine, Server], server: Engine
) -> None:
    """It gets 503 and a sentence while it lasts, and the next question after it is answered."""
    engine, web = made
    name = engine.url.database
    engine.dispose()
    with server.connect() as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(
            text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        )
        time.sleep(0.3)
        reply = web.get(VOLUME, {"limit": 77})
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    time.sleep(0.3)
    assert reply.status == 503
    assert reply.error == "the database is out of reach: ask again in a while"
    assert reply.headers["Retry-After"] == "5"
    assert len(web.rows(VOLUME, {"limit": 77})) == 77


def test_a_connection_that_broke_is_replaced_at_once(made: tuple[Engine, Server], server: Engine) -> None:
    """A server that was restarted between two questions is not noticed."""
    engine, web = made
    assert web.get(VOLUME, {"limit": 78}).status == 200
    with server.connect() as connection:
        connection.execute(
            text(
                f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{engine.url.database}'"
            )
        )
    engine.dispose()
    time.sleep(0.3)
    assert web.get(VOLUME, {"limit": 79}).status == 200


def test_it_starts_without_a_database(tmp_path: Path) -> None:
    """What needs none is answered, the rest gets 503; and Ctrl-C ends it well."""
    web = Server(tmp_path, NOWHERE)
    assert "volume-1s" in web.get("/api/").json
    assert web.get(VOLUME).error == "the database is out of reach: ask again in a while"
    assert web.end(signal.SIGINT) == (0, "")


def test_what_there_is_not_yet_is_told(database: str, tmp_path: Path) -> None:
    """On a database without a daemon's tables an ident answers 503; one of a plugin that is off, 404."""
    web = Server(tmp_path, database, plugins__disabled=["releng"])
    reply = web.get(VOLUME)
    assert (reply.status, reply.error) == (
        503,
        "the table is not there yet: the daemon has not run with this plugin",
    )
    assert "volume-by-user-1m" not in web.get("/api/").json
    assert web.get(LOGS).status == 404
    assert web.end() == (0, "")


def test_a_table_that_is_locked_keeps_nobody_waiting(made: tuple[Engine, Server]) -> None:
    """It gets 503 within seconds."""
    engine, web = made
    with engine.begin() as connection:
        connection.execute(text("LOCK TABLE data_volume_1s"))
        begin = time.monotonic()
        reply = web.get(VOLUME, {"limit": 80})
        assert time.monotonic() - begin < 5
    assert (reply.status, reply.error) == (503, "the database has too much to do: ask again in a while")


def test_the_database_cannot_be_changed(made: tuple[Engine, Server]) -> None:
    """Every connection of the API is read-only."""
    reader = make_reader(made[0].url.render_as_string(hide_password=False))
    with reader.connect() as connection, pytest.raises(InternalError, match="read-only"):
        connection.execute(text("DELETE FROM data_volume_1s"))
    reader.dispose()


# Limits


def test_a_client_that_asks_too_often_waits(server: Engine, database: str, tmp_path: Path) -> None:
    """Past its rate it gets 429 and when to come back; what has not changed costs nothing."""
    config = {"statscache.sqlalchemy.uri": database, "statscache.spool.directory": str(tmp_path / "spool")}
    open_daemon(config).engine.dispose()
    web = Server(tmp_path, database, web__rate=2)
    tag = web.get(VOLUME).headers["ETag"]
    replies = [web.get(VOLUME, {"limit": number}) for number in range(1, 9)]
    assert [reply.status for reply in replies][:3] == [200] * 3
    assert replies[-1].status == 429
    assert replies[-1].error == "this client asks more than 2 times a second: ask again later"
    assert replies[-1].headers["Retry-After"] == "1"
    assert web.get(VOLUME).status == 200
    assert web.get(VOLUME, If_None_Match=tag).status == 304
    assert web.end() == (0, "")


def test_an_allowance_comes_back_with_time() -> None:
    """Two seconds' worth may be asked for at once, then one at a time; each client has its own."""
    now = [0.0]
    allowance = Allowance(3, lambda: now[0])
    for _ in range(6):
        allowance.take("10.0.0.1")
    with pytest.raises(Refusal):
        allowance.take("10.0.0.1")
    allowance.take("10.0.0.2")
    now[0] += 0.34
    allowance.take("10.0.0.1")
    with pytest.raises(Refusal):
        allowance.take("10.0.0.1")


def test_one_ipv6_network_is_one_client() -> None:
    """A machine has 2**64 addresses there; and no more clients are remembered than there is room for."""
    allowance = Allowance(0.5, lambda: 0.0)
    allowance.take("2001:db8::1")
    with pytest.raises(Refusal):
        allowance.take("2001:db8::ffff:2")
    allowance.take("2001:db8:0:1::1")
    for number in range(CLIENTS):
        allowance.take(str(number))
    allowance.take("2001:db8::1")


def send_headers(connected: socket.socket) -> None:
    """Send headers without an end."""
    for _ in range(200):
        connected.sendall(b"x: " + b"y" * 10_000 + b"\r\n")
        time.sleep(0.005)


def test_a_request_may_not_be_large(web: Server) -> None:
    """A body and a URL of no end are refused, and the server goes on."""
    connection = http.client.HTTPConnection("127.0.0.1", web.port, timeout=10)
    connection.request("GET", VOLUME, body=b"x" * 10)
    assert connection.getresponse().status == 413
    connection.close()
    reply = web.get("/api/volume-by-category-1s", {"category": ["x" * 2600] * 120})
    assert (reply.status, reply.error) == (414, f"a URL may have {256 * 1024} bytes")
    with socket.create_connection(("127.0.0.1", web.port), timeout=10) as connected:
        connected.sendall(b"GET /api/ HTTP/1.1\r\n")
        with pytest.raises(OSError, match=r"reset|pipe"):
            send_headers(connected)
    assert web.get("/api/").status == 200


SLOW = """
from statscache.web import server
server.ARRIVAL = 0.5
from statscache.cli import main
main()
"""


def test_a_request_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    """A connection on which nothing, or half a request, arrives is closed, also after a whole request."""
    place = Place(tmp_path, NOWHERE)
    command = [sys.executable, "-c", SLOW, "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=place.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    port = int(process.stdout.readline().rsplit(":", 1)[1].split("/")[0])
    half = b"GET /api/ HTTP/1.1\r\nHost: a\r\n"
    for sent in ([b""], [half], [half + b"\r\n", half]):
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connected:
            for part in sent[:-1]:
                connected.sendall(part)
                assert connected.recv(65536).startswith(b"HTTP/1.1 200 OK")
            connected.sendall(sent[-1])
            while connected.recv(65536):
                pass
    process.terminate()
    assert process.communicate(timeout=10)[1] == ""


# The command


def test_an_address_that_is_none_is_told(tmp_path: Path) -> None:
    """In one line that says what was expected."""
    code, output, errors = Place(tmp_path, NOWHERE).run("serve", "--listen", "localhost")
    assert (code, output) == (2, "")
    assert errors == (
        "statscache: --listen must be a host and a port, such as '127.0.0.1:8080' or '[::1]:8080', not 'localhost'\n"
    )
    for value in ("", "8080", "127.0.0.1:x", "127.0.0.1:70000", "::1:80", "a b:1", 8080, None):
        with pytest.raises(ValueError, match="a host and a port"):
            ADDRESS.read(value)


def test_an_address_that_is_taken_is_told() -> None:
    """So is one that this machine has not got."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            Unusable, match=rf"^nothing can listen at 127\.0\.0\.1:{port} \(Address already in use\): "
        ):
            listen(("127.0.0.1", port))
    with pytest.raises(Unusable, match=r"^nothing can listen at 192\.0\.2\.1:0 "):
        listen(("192.0.2.1", 0))


def test_other_machines_do_not_reach_it_by_default() -> None:
    """The default is the loopback."""
    setting = SETTINGS["statscache.web.address"]
    assert setting.read(setting.default)[0] == "127.0.0.1"


def test_it_answers_over_ipv6() -> None:
    """An address in brackets is one of IPv6, where the machine has got it."""
    with suppress(Unusable), listen(SETTINGS["statscache.web.address"].read("[::1]:0")) as listening:
        assert listening.family == socket.AF_INET6


def test_any_asgi_server_can_run_it(database: str, tmp_path: Path) -> None:
    """uvicorn's own command does, with the application or what makes it."""
    place = Place(tmp_path, database)
    for arguments in (["statscache.web.asgi:app"], ["--factory", "statscache.web:create_app"]):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", "uvicorn", "--port", str(port), *arguments],
            cwd=tmp_path,
            env=place.environment,
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        try:
            wait_for("the server", lambda port=port: _answers(port))
        finally:
            process.terminate()
            process.wait(10)


def _answers(port: int) -> bool:
    try:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        connection.request("GET", "/api/")
        return bool(json.loads(connection.getresponse().read()))
    except OSError:
        return False


# The documentation


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine")
def test_the_questions_of_the_documentation_are_answered(web: Server) -> None:
    """Every curl command of docs/http-api.md gets what it says."""
    commands = re.findall(r"^\$ (curl .*)$", PAGE, re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        command = command.replace("http://127.0.0.1:8080", f"http://127.0.0.1:{web.port}").replace(
            "-s ", "-sS --fail "
        )
        done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), command
        assert len(done.stdout) > 2


def test_the_documentation_names_every_parameter(web: Server) -> None:
    """And no other."""
    section = PAGE.split("## Parameters", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    paths = web.get("/api/openapi.json").json["paths"]
    there = {each["name"] for each in paths["/api/volume-1s"]["get"]["parameters"]} - {"_"}
    assert named == there
