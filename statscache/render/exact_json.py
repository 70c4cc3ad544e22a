"""JSON with numbers of any number of digits, as `Decimal`s are."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any


def _none(value: Any) -> Any:
    raise TypeError(f"{type(value).__name__} is not JSON")


def exact_json(value: Any, default: Callable[[Any], Any] = _none, **options: Any) -> str:
    """Return a value as JSON in ASCII, in which a Decimal is a number with all its digits, null if it is not finite.

    :param default: gives what stands for what is not JSON
    :param options: of `json.dumps`
    :raises TypeError: if something is not JSON
    """
    mark = uuid.uuid4().hex  # which no text of others has
    exact = False

    def written(its: Any) -> Any:
        nonlocal exact
        if not isinstance(its, Decimal):
            return default(its)
        exact = exact or its.is_finite()
        return f"{mark}{its:f}" if its.is_finite() else None

    text = json.dumps(value, default=written, **options)
    return re.sub(f'"{mark}([^"]*)"', r"\1", text) if exact else text
