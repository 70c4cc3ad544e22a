"""What schemathesis checks instead of `positive_data_acceptance`: a description has no words for what depends on data.

It is loaded by schemathesis, as the module that SCHEMATHESIS_HOOKS names.
"""

from __future__ import annotations

from typing import Any

import schemathesis

#: How a range, a zone and a table can refuse each other, by a part of the sentence. `step` or `tz` is in each request.
TOGETHER = (
    "periods of a",  # there are too many
    "from 1970 to 9998",
    "do not make up each",
    "give step, too",
)


@schemathesis.check
def what_is_described_is_answered(ctx: Any, response: Any, case: Any) -> None:
    """Whatever the description allows is answered, unless its parameters do not go together."""
    if case.meta is None or not case.meta.generation.mode.is_positive:
        return
    status = response.status_code
    if status < 400 or status >= 500:  # another check sees to these
        return
    sentence = response.json()["error"]
    assert status == 400, sentence
    assert {"step", "tz"} & set(case.query), sentence
    assert any(part in sentence for part in TOGETHER), sentence
