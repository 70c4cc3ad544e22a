"""What becomes of a flush that was made while others made theirs."""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy.exc import DBAPIError

from statscache.counting.update import PluginError
from statscache.database.lock import MustBeAlone
from statscache.database.trouble import is_deadlock, is_the_statements

#: So often in a row a flush may be the one by which a deadlock is ended.
DEADLOCKS = 5


def succeeds(flush: Callable[[], None]) -> bool:
    """Make a flush while others make theirs; return False if it is to be made alone, where what fails can be found.

    :raises Exception: whatever made it fail, if to be alone would not help
    """
    for again in reversed(range(DEADLOCKS)):
        try:
            flush()
        except (PluginError, MustBeAlone):
            return False
        except DBAPIError as error:
            if is_the_statements(error):
                return False
            if not (again and is_deadlock(error)):
                raise
        else:
            return True
    raise AssertionError("the last time raises")
