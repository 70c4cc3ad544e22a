"""Whatever is asked for, the answer is none that a failure makes."""

from __future__ import annotations

import os
import time
from urllib.parse import quote, urlencode

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.web import Server

#: `STATSCACHE_REQUESTS=50000` asks for more of them.
REQUESTS = int(os.environ.get("STATSCACHE_REQUESTS", "400"))
IDENTS = [
    "volume",
    "volume-by-category",
    "volume-by-user",
    "newcomers",
    "pagure-contributions",
    "pagure-contributions-by-project",
]
PATHS = st.one_of(
    st.sampled_from(["/", "/overview.csv", "/overview.json", "/static/page.css", "/badge/volume.svg"]),
    st.builds("/board/release-engineering-event-logs{}".format, st.sampled_from(["", ".csv", ".json", ".x"])),
    st.builds(
        "/view/{}{}".format,
        st.sampled_from(IDENTS),
        st.sampled_from(["", ".csv", ".json", ".svg", ".x", "."]),
    ),
    st.text(max_size=20).map(lambda text: "/" + quote(text, errors="surrogatepass")),
    st.text(max_size=20).map(lambda text: "/view/" + quote(text, safe="", errors="surrogatepass")),
)
INSTANTS = st.one_of(
    st.sampled_from(
        ["2026-10-25", "1970-01-01", "9999-12-31", "0001-01-01", "0", "-1", "1e300", "2026-11-01T00:00Z"]
    ),
    st.datetimes().map(lambda when: when.isoformat() + "Z"),
    st.integers(0, 2**34).map(str),
)
ODD = st.text(max_size=30)
FIELDS = st.lists(
    st.one_of(
        st.tuples(
            st.just("range"), st.sampled_from(["hour", "day", "week", "month", "quarter", "year", "all", ""])
        ),
        st.tuples(st.sampled_from(["start", "stop"]), INSTANTS),
        st.tuples(
            st.just("step"),
            st.sampled_from(["minute", "hour", "day", "week", "month", "quarter", "year", "x"]),
        ),
        st.tuples(
            st.just("tz"),
            st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Pacific/Apia"]),
        ),
        st.tuples(st.just("by"), st.sampled_from(["", "category", "username", "project"])),
        st.tuples(st.just("top"), st.integers(-1, 10).map(str)),
        st.tuples(st.just("compare"), st.sampled_from(["before", "year", "x"])),
        st.tuples(st.just("share"), st.just("1")),
        st.tuples(st.just("scale"), st.sampled_from(["log", "linear"])),
        st.tuples(st.just("lang"), st.sampled_from(["de", "en", "fr"])),
        st.tuples(st.sampled_from(["category", "username", "project"]), ODD),
        st.tuples(ODD, ODD),
    ),
    max_size=6,
)
HEADERS = st.sampled_from(["*/*", "text/html", "application/json", "text/html;q=0", ";;;"])


def test_no_request_makes_the_server_fail(site: Server) -> None:
    """A page, a file, or one sentence."""

    @settings(max_examples=REQUESTS, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(PATHS, FIELDS, HEADERS)
    def ask(path: str, fields: list[tuple[str, str]], accept: str) -> None:
        query = urlencode(fields, errors="surrogatepass")
        reply = site.get(f"{path}?{query}", Accept=accept)
        if reply.status == 503:  # beside much else on this machine the database may take too long
            time.sleep(2)
            reply = site.get(f"{path}?{query}", Accept=accept)
        assert reply.status in (200, 400, 404, 405), (reply.status, path, fields, reply.body[:300])
        if reply.status != 200:
            assert b"Traceback" not in reply.body

    ask()
