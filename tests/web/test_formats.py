"""Which form a client gets: JSON, CSV or JSON-P."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statscache.web.errors import Refusal
from statscache.web.formats import negotiate
from tests.support.web import LOGS, VOLUME, Server

JSON, CSV, SCRIPT = "application/json", "text/csv", "application/javascript"


@pytest.mark.slow
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
        assert reply.error.startswith("Accept must name an available type")
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
