"""Parameters that are written into a statement."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from statscache.database.arrays import array_of_texts, written_out

TEXTS = st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=5)
ASKED = text("SELECT CAST(:names AS text[]), '{}'::text[], 7 % 4")


@pytest.mark.parametrize("standard", ["on", "off"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(texts=TEXTS)
def test_a_text_is_what_it_was(texts: Sequence[str], standard: str, engine: Engine) -> None:
    """Whatever is in it, and however the server reads other literals."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"SET LOCAL standard_conforming_strings = {standard}")
        connection.exec_driver_sql("SET LOCAL escape_string_warning = off")
        asked = written_out(ASKED, {"names": array_of_texts(texts)})
        assert connection.exec_driver_sql(asked).one() == (list(texts), [], 3)
