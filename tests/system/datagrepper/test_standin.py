"""The stand-in for datagrepper answers as the real one does, and fails when told to."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, IncompleteRead, RemoteDisconnected
from itertools import chain, islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from statscache.demo.traffic import traffic
from tests.support.hub import wait_for
from tests.support.shared import read_lines
from tests.system.datagrepper import Archive, Fault, Faults, Process, fetch
from tests.system.torture.server import alive

START = 1_700_000_000
Page = dict[str, Any]


def bodies(*times: float) -> list[dict[str, Any]]:
    """Return messages with those timestamps, known by their number."""
    return [
        {"topic": "a.b.c.d.e", "msg": {}, "msg_id": f"m{n}", "timestamp": when}
        for n, when in enumerate(times)
    ]


def request(archive: Archive | Process, timeout: float = 10.0, **parameters: Any) -> HTTPResponse:
    """Return the head of an answer, the rest still to be read."""
    connection = HTTPConnection(urlsplit(archive.url).netloc, timeout=timeout)
    connection.request("GET", f"/raw?{urlencode(parameters)}")
    return connection.getresponse()


def get(archive: Archive | Process, **parameters: Any) -> Page:
    """Return a page, in ascending order."""
    answer = request(archive, **{"order": "asc", **parameters})
    found: Page = json.loads(answer.read())
    assert answer.status == 200, found
    return found


def ids(page: Page) -> list[str]:
    """Return the ids of a page's rows."""
    return [row["msg_id"] for row in page["raw_messages"]]


def wait_for_log(archive: Archive | Process, *done: bool) -> None:
    """Wait until so many requests were answered in full or not: a client may have its page before that is noted."""
    wait_for("the log", lambda: [entry["done"] for entry in archive.log()] == list(done))


def kinds(value: Any, *path: str) -> dict[tuple[str, ...], type]:
    """Return the type of everything in an object but for what is in messages and headers."""
    if not isinstance(value, dict) or path[-1:] in (("msg",), ("headers",)):
        return {path: type(value)}
    return {place: kind for key, inner in value.items() for place, kind in kinds(inner, *path, key).items()}


@pytest.fixture
def serve() -> Iterator[Callable[..., Archive]]:
    """Starts archives."""
    archives: list[Archive] = []

    def start(*args: Any, **options: Any) -> Archive:
        archives.append(Archive(*args, **options))
        return archives[-1]

    yield start
    for archive in archives:
        archive.close()


@pytest.fixture
def spawn(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Starts archives in processes of their own."""
    processes: list[Process] = []

    def start(lines: list[dict[str, Any]], *options: str) -> Process:
        path = tmp_path / "messages.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        processes.append(Process(path, *options))
        return processes[-1]

    yield start
    for process in processes:
        process.close()


def test_a_page_is_the_real_one(serve: Any, shared: Path) -> None:
    """The rows of the real sample, served again for the same request, come back as they were, in the same form."""
    sample = json.loads((shared / "data" / "datagrepper_page.json").read_text(encoding="utf-8"))
    span = {key: sample["arguments"][key] for key in ("start", "end")}
    page = json.loads(request(serve(sample["raw_messages"]), **span).read())
    key = "msg_id"
    assert sorted(page["raw_messages"], key=lambda row: row[key]) == sorted(
        sample["raw_messages"], key=lambda row: row[key]
    )
    assert kinds(page) == kinds(sample)
    assert page == {**sample, "raw_messages": page["raw_messages"], "pages": 1, "total": 25}


def test_a_row_has_all_keys_whatever_the_message_lacks(serve: Any, shared: Path) -> None:
    """All real messages with a time come in rows of the sample's keys, with an id and cut to the second."""
    sample = json.loads((shared / "data" / "datagrepper_page.json").read_text(encoding="utf-8"))
    messages = [line["message"] for line in read_lines(shared / "data" / "messages.jsonl")]
    rows = list(fetch(serve(messages).url))
    assert {tuple(sorted(row)) for row in rows} == {tuple(sorted(sample["raw_messages"][0]))}
    assert all(isinstance(row["timestamp"], float) and row["timestamp"].is_integer() for row in rows)
    assert all(isinstance(row["msg_id"], str) for row in rows)
    assert len(rows) == sum("timestamp" in message for message in messages)


def test_messages_are_served_as_they_were_sent_if_wanted(serve: Any) -> None:
    """With `exact`, a message keeps the fraction of its second, and nothing is filled in."""
    sent = [{"topic": "a", "msg": {"text": "\ud800"}, "timestamp": START + 0.5}]
    assert list(fetch(serve(sent, exact=True).url)) == sent


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_all_rows_once(order: str, serve: Any) -> None:
    """The pages of a span together are its rows in order, the last one may be short, and past it there is nothing."""
    archive = serve(bodies(*range(START, START + 250)))
    span = {"start": START + 5, "end": START + 234, "rows_per_page": 100, "order": order}
    pages = [get(archive, page=number, **span) for number in (1, 2, 3, 4)]
    assert [page["count"] for page in pages] == [100, 100, 30, 0]
    assert {(page["total"], page["pages"]) for page in pages} == {(230, 3)}
    wanted = [f"m{n}" for n in range(5, 235)]
    assert [*chain.from_iterable(map(ids, pages))] == (wanted if order == "asc" else wanted[::-1])


def test_what_is_not_asked_for_is_as_in_the_real_one(serve: Any) -> None:
    """The newest 25 rows come first; a span without an end ends now, one without a start is ten minutes long."""
    archive = serve(bodies(*range(START, START + 1000)), clock=lambda: START + 900.0)
    assert ids(json.loads(request(archive).read())) == [f"m{n}" for n in range(999, 974, -1)]
    assert get(archive)["arguments"]["delta"] is None
    assert get(archive, start=START + 890)["total"] == 11
    assert get(archive, end=START + 700)["total"] == 601
    assert get(archive, start=START, delta=9)["total"] == 10


def test_both_ends_of_a_span_are_in_it_by_the_exact_timestamp(serve: Any) -> None:
    """The archive compares what it keeps and cuts only what it shows."""
    archive = serve(bodies(START - 0.1, START, START + 0.9, START + 1, START + 1.1))
    page = get(archive, start=START, end=START + 1)
    assert ids(page) == ["m1", "m2", "m3"]
    assert [row["timestamp"] for row in page["raw_messages"]] == [START, START, START + 1]


def test_rows_of_a_second_are_in_order_of_the_exact_timestamp(serve: Any) -> None:
    """Only rows of the very same timestamp are without an order."""
    archive = serve(bodies(START + 0.7, START + 0.2, START + 0.5), shuffle=1)
    assert {tuple(ids(get(archive))) for _ in range(20)} == {("m1", "m2", "m0")}


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_a_page_border_within_an_instant_repeats_rows_and_leaves_out_others(order: str, serve: Any) -> None:
    """With `shuffle`, rows of one timestamp come in another order at each request, while others stay in their place."""
    archive = serve(bodies(*[START] * 5, *[START + 1] * 40, *[START + 2] * 5), shuffle=1)
    once = Counter(chain.from_iterable(ids(get(archive, page=n, order=order)) for n in (1, 2)))
    assert once.total() == 50
    assert len(once) < 50
    assert all(once[f"m{n}"] == 1 for n in (*range(5), *range(45, 50)))
    one, other = (ids(get(archive, rows_per_page=100, order=order)) for _ in range(2))
    assert one != other
    assert sorted(one) == sorted(other) == sorted(f"m{n}" for n in range(50))


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"rows_per_page": 101}, "rows_per_page must be at most 100"),
        ({"rows_per_page": 0}, "rows_per_page must be"),
        ({"page": 0}, "page must be"),
        ({"page": "two"}, "page must be"),
        ({"order": "up"}, "order must be"),
        ({"start": "nan"}, "start must be"),
        ({"end": "today"}, "end must be"),
        ({"category": "git"}, "no parameter category"),
    ],
)
def test_a_request_that_makes_no_sense_is_refused(parameters: Any, named: str, serve: Any) -> None:
    """The answer is 400 with an error that names the parameter."""
    answer = request(serve(), **parameters)
    assert answer.status == 400
    assert named in json.loads(answer.read())["error"]


def test_a_message_is_in_the_archive_once(serve: Any) -> None:
    """One that was sent twice is one row, and one without a usable time none."""
    sent = [*bodies(START, START + 1), *bodies(START), {"topic": "a", "msg": {}, "msg_id": "x"}]
    assert get(serve(sent))["total"] == 2


def test_late_rows_shift_the_pages_after_them(serve: Any) -> None:
    """A row that is there only from the third request on pushes the last of page 1 to page 2."""
    archive = serve(bodies(*range(START, START + 4)))
    archive.add([{**bodies(START + 0.5)[0], "msg_id": "late"}], request=3)
    first, second, again = (get(archive, page=n, rows_per_page=2) for n in (1, 2, 2))
    assert (ids(first), ids(second), ids(again)) == (["m0", "m1"], ["m2", "m3"], ["m1", "m2"])
    assert (second["total"], again["total"]) == (4, 5)


def test_rows_may_come_at_an_instant(serve: Any) -> None:
    """Before it they are not in the archive."""
    now = [START]
    archive = serve(clock=lambda: now[0])
    archive.add(bodies(START), instant=START + 10)
    assert get(archive)["total"] == 0
    now[0] += 10
    assert get(archive)["total"] == 1


@pytest.mark.parametrize(
    ("fault", "status", "kind"),
    [(Fault.BAD_GATEWAY, 502, "text/html"), (Fault.ERROR, 500, "application/json")],
)
def test_an_error_has_its_usual_form(fault: Fault, status: int, kind: str, serve: Any) -> None:
    """A proxy's 502 is HTML; the archive's own 500 is JSON with an error."""
    archive = serve()
    archive.fail(fault)
    answer = request(archive)
    content = answer.read()
    assert (answer.status, answer.headers["Content-Type"]) == (status, kind)
    assert kind == "text/html" or json.loads(content)["error"]


def test_who_asks_too_often_is_told_when_to_come_back(serve: Any) -> None:
    """A 429 has a Retry-After in seconds, or as a date."""
    archive = serve(faults=Faults(retry_after=20))
    for fault in (Fault.THROTTLED, Fault.THROTTLED_DATE):
        archive.fail(fault, times=1)
    told, dated = (request(archive) for _ in range(2))
    assert (told.status, told.headers["Retry-After"]) == (429, "20")
    pause = parsedate_to_datetime(dated.headers["Retry-After"]) - datetime.now(UTC)
    assert 15 < pause.total_seconds() <= 21


def test_an_answer_can_be_shorter_than_it_says(serve: Any) -> None:
    """The connection is closed before as much has come as Content-Length says."""
    archive = serve(bodies(START))
    archive.fail(Fault.SHORT)
    with pytest.raises(IncompleteRead):
        request(archive).read()


def test_the_json_itself_can_be_cut(serve: Any) -> None:
    """All comes that Content-Length says, but it is no JSON."""
    archive = serve(bodies(START))
    archive.fail(Fault.CUT)
    answer = request(archive)
    content = answer.read()
    assert len(content) == int(answer.headers["Content-Length"]) > 100
    with pytest.raises(json.JSONDecodeError):
        json.loads(content)


def test_a_connection_can_be_reset(serve: Any) -> None:
    """The client meets a reset, not the end of the stream."""
    archive = serve()
    archive.fail(Fault.RESET)
    with pytest.raises(ConnectionResetError) as caught:
        request(archive)
    assert not isinstance(caught.value, RemoteDisconnected)


def test_an_answer_can_be_late_or_never_come(serve: Any) -> None:
    """A slow page comes after the delay; of a silent one nothing comes, on a connection that stays open."""
    archive = serve(bodies(START), faults=Faults(delay=0.2))
    archive.fail(Fault.SLOW, times=1)
    archive.fail(Fault.SILENT)
    before = time.monotonic()
    assert get(archive)["total"] == 1
    assert time.monotonic() - before >= 0.2
    with pytest.raises(TimeoutError):
        request(archive, timeout=0.2)
    wait_for_log(archive, True, False)
    assert [entry["fault"] for entry in archive.log()] == ["slow", "silent"]


def test_a_page_keeps_failing_until_told_otherwise(serve: Any) -> None:
    """A rule holds for one page of one span, however often, and no other."""
    archive = serve(bodies(*range(START, START + 50)))
    span = {"start": START, "end": START + 49}
    rule = archive.fail(Fault.BAD_GATEWAY, page=2, **span)
    assert [request(archive, page=2, **span).status for _ in range(5)] == [502] * 5
    assert request(archive, page=1, **span).status == 200
    assert request(archive, page=2, start=START, end=START + 48).status == 200
    archive.lift(rule)
    assert get(archive, page=2, **span)["count"] == 25


def test_the_span_whose_pages_fail_may_be_known_by_an_instant_in_it(serve: Any) -> None:
    """A rule around an instant holds for whatever span contains it."""
    archive = serve()
    archive.fail(Fault.ERROR, around=START + 0.5)
    spans = [(START - 9, START), (START, START + 1), (START - 9, START + 9), (START + 1, START + 9)]
    assert [request(archive, start=start, end=end).status for start, end in spans] == [200, 500, 500, 200]


def drawn(archive: Archive, pages: Iterator[int] | range) -> dict[int, int]:
    """Return the status of pages, by their number."""
    return {page: request(archive, page=page).status for page in pages}


def test_faults_by_chance_come_at_their_rates_and_again_with_the_same_seed(serve: Any) -> None:
    """What befalls a page depends on the seed, not on the order of requests; the next attempt is another draw."""
    rates = {Fault.BAD_GATEWAY: 0.2, Fault.ERROR: 0.1}
    archive, same, other = (serve(faults=Faults(seed, rates)) for seed in (1, 1, 2))
    first = drawn(archive, range(1, 301))
    assert first == drawn(same, reversed(range(1, 301)))
    assert first != drawn(other, range(1, 301))
    assert first != drawn(archive, range(1, 301))
    counts = Counter(first.values())
    assert 40 <= counts[502] <= 80
    assert 15 <= counts[500] <= 45
    archive.lift()
    assert set(drawn(archive, range(1, 51)).values()) == {200}


def test_hooks_are_called_at_page_borders(serve: Any) -> None:
    """`on_request` comes before a page is answered, `on_answer` when it was written; both know which page."""
    calls: list[Any] = []
    archive = serve(
        bodies(START),
        on_request=lambda number, arguments: calls.append(("request", number, arguments["page"])),
        on_answer=lambda number, arguments: calls.append(("answer", number, arguments["page"])),
    )
    for page in (1, 2):
        get(archive, page=page)
        wait_for("the hook after the answer", partial(calls.__contains__, ("answer", page, page)))
    assert calls == [("request", 1, 1), ("answer", 1, 1), ("request", 2, 2), ("answer", 2, 2)]


def ask(archive: Archive | Process, found: list[Any]) -> threading.Thread:
    """Ask for a page on a thread of its own, and put it or the error into a list."""

    def run() -> None:
        try:
            found.append(get(archive))
        except (OSError, HTTPException) as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@pytest.mark.parametrize("where", ["before", "middle"])
def test_a_request_is_held_up_before_or_in_its_answer(where: str, spawn: Any) -> None:
    """The client waits until it is released; others are served meanwhile."""
    found: list[Any] = []
    process = spawn(bodies(START))
    process.stop_at(2, where)
    get(process)
    thread = ask(process, found)
    assert process.wait_for_stop()
    assert not found
    wait_for_log(process, True, False)
    assert get(process)["total"] == 1
    process.release()
    thread.join()
    assert found[0]["total"] == 1


def test_a_row_that_comes_while_a_request_is_held_up_is_in_the_answer(spawn: Any) -> None:
    """Before its answer nothing of a page is decided; in the middle all of it is."""
    process = spawn([])
    for number, where in enumerate(("before", "middle"), start=1):
        found: list[Any] = []
        process.stop_at(number, where)
        thread = ask(process, found)
        process.wait_for_stop()
        process.add([{**bodies(START)[0], "msg_id": where}])
        process.release()
        thread.join()
        assert found[0]["total"] == 1


def test_a_request_is_held_up_after_its_answer(spawn: Any) -> None:
    """The client has its page, and the next one on that connection does not come."""
    process = spawn(bodies(START))
    process.stop_at(1, "after")
    connection = HTTPConnection(urlsplit(process.url).netloc, timeout=0.3)
    connection.request("GET", "/raw")
    assert json.loads(connection.getresponse().read())["total"] == 1
    assert process.wait_for_stop()
    connection.request("GET", "/raw")
    with pytest.raises(TimeoutError):
        connection.getresponse()


def test_a_client_that_goes_away_while_held_up_does_no_harm(spawn: Any) -> None:
    """Its request is in the log as not done, and the next client is served."""
    process = spawn([{**bodies(START)[0], "msg": {"text": "x" * 20_000_000}}])
    process.stop_at(1, "middle")
    with socket.create_connection((urlsplit(process.url).hostname, urlsplit(process.url).port)) as client:
        client.sendall(b"GET /raw HTTP/1.1\r\nHost: a\r\n\r\n")
        client.recv(100)
    process.release()
    assert get(process)["total"] == 1
    wait_for_log(process, False, True)


def test_a_stop_that_none_reaches_is_told(serve: Any) -> None:
    """Waiting for it ends without an error."""
    archive = serve()
    archive.stop_at(7)
    assert not archive.wait_for_stop(0.05)


def test_a_process_takes_its_rows_and_faults_from_its_command(spawn: Any) -> None:
    """Lines are messages, or say from which request or instant on theirs is there."""
    now, later, never = bodies(START, START + 1, START + 2)
    lines = [now, {"message": later, "request": 2}, {"message": never, "instant": time.time() + 3600}]
    process = spawn(lines, "--faults", "1", "--rate", "0", "--shuffle", "1", "--exact")
    assert [get(process)["total"] for _ in range(2)] == [1, 2]
    rule = process.fail(Fault.ERROR, page=2)
    assert request(process, page=2).status == 500
    process.lift(rule)
    assert request(process, page=2).status == 200
    assert [entry["given"].get("page") for entry in process.log()] == [None, None, "2", "2"]


def test_many_clients_fetch_in_parallel(spawn: Any) -> None:
    """Each gets all messages."""
    sent = list(islice(traffic(1, float(START), 40.0), 2_000))
    process = spawn(sent)
    counts: list[int] = []
    threads = [
        threading.Thread(target=lambda: counts.append(sum(1 for _ in fetch(process.url)))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [2_000] * 4


def test_a_file_that_cannot_be_served_is_named(tmp_path: Path) -> None:
    """The command ends with a sentence that says what it needs."""
    path = tmp_path / "messages.jsonl"
    path.write_text("not JSON\n")
    done = subprocess.run(
        [sys.executable, "-m", "tests.system.datagrepper", str(path)], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.startswith(f"{path} cannot be served, it must be a file of JSON lines")
    assert "Traceback" not in done.stderr


def test_a_port_that_is_taken_is_named(serve: Any, tmp_path: Path) -> None:
    """The command ends with a sentence that says what to do."""
    path = tmp_path / "messages.jsonl"
    path.write_text("")
    port = str(urlsplit(serve().url).port)
    command = [sys.executable, "-m", "tests.system.datagrepper", str(path), "--port", port]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(f"port {port} cannot be listened on, choose another with --port")
    assert "Traceback" not in done.stderr


def test_a_process_ends_with_its_parent(tmp_path: Path) -> None:
    """One that was started by a test that is killed does not stay behind."""
    path = tmp_path / "messages.jsonl"
    path.write_text("")
    script = (
        "import os, sys; from pathlib import Path; from tests.system.datagrepper import Process;"
        "print(Process(Path(sys.argv[1])).pid, flush=True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], capture_output=True, text=True)
    wait_for("the stand-in to end", lambda: not alive(int(done.stdout)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_ends_quietly_when_interrupted(number: int, tmp_path: Path) -> None:
    """It says its URL first, and nothing at its end."""
    path = tmp_path / "messages.jsonl"
    path.write_text("")
    command = [sys.executable, "-m", "tests.system.datagrepper", str(path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("http://127.0.0.1:")
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
