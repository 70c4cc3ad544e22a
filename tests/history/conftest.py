"""An archive with an hour of history."""

from tests.support.hour import archive  # noqa: F401  a fixture
