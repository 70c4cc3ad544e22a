"""A stand-in for datagrepper, which fails when told to: `python -m tests.datagrepper FILE.jsonl`."""

from tests.datagrepper.archive import Archive
from tests.datagrepper.faults import Fault, Faults
from tests.datagrepper.fetch import fetch
from tests.datagrepper.process import Process

__all__ = ["Archive", "Fault", "Faults", "Process", "fetch"]
