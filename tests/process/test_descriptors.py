"""Descriptors in reserve, in a process of its own that uses all others up."""

from __future__ import annotations

import subprocess
import sys

PROCESS = """
import os, resource
from statscache.process import descriptors
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
reserve = descriptors.DescriptorReserve()
reserve.fill()
taken = []
try:
    while True:
        taken.append(os.dup(0))
except OSError:
    pass
print(descriptors.is_exhausted(), reserve.missing, descriptors.limit() - descriptors.used() < 2)
opened = [reserve.open("/dev/null", os.O_RDONLY) for _ in range(8)]
print(reserve.missing)
try:
    reserve.open("/dev/null", os.O_RDONLY)
except OSError as error:
    print(error.strerror)
for each in opened[:4]:
    os.close(each)
print(reserve.missing)
try:
    reserve.opening(lambda: 1 / 0)
except ZeroDivisionError:
    print(reserve.missing)
for each in opened[4:]:
    os.close(each)
print(reserve.missing)
reserve.empty()
print(descriptors.is_exhausted())
"""


def test_the_reserve_opens_what_nothing_else_can_and_is_filled_again() -> None:
    """An eighth of the limit is in reserve; what is opened takes of it, until something else is closed."""
    done = subprocess.run([sys.executable, "-c", PROCESS], capture_output=True, text=True, check=True)
    expected = ["True 0 True", "8", "Too many open files", "4", "4", "0", "False"]
    assert done.stdout.splitlines() == expected
