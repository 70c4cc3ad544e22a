"""The steps at which commands can be told to die are those of the product."""

from __future__ import annotations

import pytest

from tests.system.torture.commanding import COMMIT, STEPS, steps_of
from tests.system.torture.launcher import COMMITS, Home, owner_of
from tests.system.torture.launcher import STEPS as OF_DAEMONS

HOMES = {home for steps in (OF_DAEMONS, COMMITS, *STEPS.values()) for home in steps.values()}


@pytest.mark.parametrize("home", sorted(HOMES, key=str), ids=str)
def test_each_step_is_a_function_that_is_there(home: Home) -> None:
    """Else no command of a scenario would start."""
    assert callable(getattr(owner_of(home), home[2]))


def test_any_command_can_die_at_its_commits() -> None:
    """Also one that has no other steps."""
    assert steps_of("replay") == [f"before {COMMIT}", f"after {COMMIT}"]
    assert f"after {COMMIT}" in steps_of("forget")
