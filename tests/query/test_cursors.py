"""Places in an order of rows, as opaque texts."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.support.categories import PATH, START, Made


def test_rows_that_come_later_move_no_page(made: Made) -> None:
    """A cursor is a place, so a row that is new at the top repeats none and hides none."""
    link = made.web.get(PATH, {"rows_per_page": 98}).links["next"]
    with made.engine.begin() as connection:
        connection.execute(
            text(f"INSERT INTO data_volume_by_category_1s VALUES (to_timestamp({START + 999}), 'new', 1)")
        )
    try:
        found = [tuple(row.values()) for row in made.web.rows(link)]
    finally:
        with made.engine.begin() as connection:
            connection.execute(text("DELETE FROM data_volume_by_category_1s WHERE category = 'new'"))
    assert found == made.rows[98:196]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_text_of_the_cursors_pattern_is_some_place(data: st.DataObject, made: Made) -> None:
    """A cursor that nobody gave is a place like any other, and what is on its page is in the table."""
    parameters = made.web.get("/api/openapi.json").json["paths"][PATH]["get"]["parameters"]
    pattern = next(each["schema"]["pattern"] for each in parameters if each["name"] == "cursor")
    cursor = data.draw(st.from_regex(pattern.rstrip("$") + r"\Z"))
    query = data.draw(st.sampled_from([{}, {"group": "category"}, {"top": 5}, {"limit": 9}, {"page": 3}]))
    reply = made.web.get(PATH, {"cursor": cursor, **query})
    assert reply.status == 200
    if not query:
        assert {tuple(row.values()) for row in reply.json} <= set(made.rows)
    for link in reply.links.values():
        assert made.web.get(link).status == 200


def test_a_cursor_that_is_none_is_told(made: Made) -> None:
    """What is cut, changed or another plugin's gets 400."""
    link = made.web.get(PATH).links["next"]
    cursor = link.split("cursor=")[1]
    other = made.web.get("/api/volume-by-category-1m", {"cursor": cursor})
    for refused in (
        other,
        *(made.web.get(PATH, {"cursor": each}) for each in (cursor[:-1], "", "x", cursor + "=")),
    ):
        assert refused.status == 400
        assert refused.error.startswith("cursor must be one from a Link header")
