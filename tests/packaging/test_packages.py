"""The source package and the wheel have all that is needed; `make package` runs what is installed from the wheel."""

from __future__ import annotations

import re

from tests.support.built import Built, run, tracked

#: Loads each entry point of statscache, and says how many there are in each group.
LOAD = """
from collections import Counter
from importlib.metadata import distribution
import statscache
found = distribution("statscache").entry_points
for point in found:
    point.load()
print(statscache.__file__, dict(Counter(point.group for point in found)))
"""


def test_the_source_package_has_all_files_of_the_tree(built: Built) -> None:
    """Code, tests, documentation, units, samples, licence: all but what only a clone needs."""
    assert set(tracked()) - built.in_sdist == set()


def test_the_wheel_has_all_that_runs(built: Built) -> None:
    """Each file below the packages is there, whatever its kind; so are units, alerts, samples and licences."""
    packages = {name for name in tracked() if name.startswith(("statscache/", "statscache_plugins/"))}
    assert packages - built.in_wheel == set()
    folders = {"extras/systemd/", "extras/prometheus/", "extras/grafana/", "fedmsg.d/"}
    shared = {name.removeprefix("extras/") for name in tracked() if name.startswith(tuple(folders))}
    found = {name.partition("/data/share/statscache/")[2] for name in built.in_wheel}
    assert shared | {"LICENSES.md"} == found - {""}
    assert any(re.fullmatch(r"statscache-.*\.dist-info/licenses/LICENSE", name) for name in built.in_wheel)


def test_the_wheel_has_nothing_else(built: Built) -> None:
    """No tests, no benchmarks, nothing that a build has left."""
    tops = {name.partition("/")[0] for name in built.in_wheel}
    known = r"statscache|statscache_plugins|statscache-[^/]*\.(dist-info|data)"
    assert [top for top in tops if not re.fullmatch(known, top)] == []
    assert [name for name in built.in_wheel if name.endswith((".pyc", ".orig", "~"))] == []


def test_what_is_installed_has_its_commands_and_plugins(built: Built) -> None:
    """In an environment that has this tree nowhere on its path, each entry point loads, and the command answers."""
    environment = built.offline
    printed = run(environment, "python", "-P", "-c", LOAD, where=environment)
    assert printed.startswith(str(environment))
    assert "'statscache.plugin': " in printed
    assert "Statistics of a message bus" in run(environment, "statscache", "--help", where=environment)
    version = run(environment, "statscache", "--version", where=environment).split()[-1]
    assert f"-{version}-" in built.wheel.name
