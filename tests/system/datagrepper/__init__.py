"""A stand-in for datagrepper, which fails when told to: `python -m tests.system.datagrepper FILE.jsonl`."""

from tests.system.datagrepper.archive import Archive
from tests.system.datagrepper.faults import Fault, Faults
from tests.system.datagrepper.fetch import fetch
from tests.system.datagrepper.process import Process

__all__ = ["Archive", "Fault", "Faults", "Process", "fetch"]
