"""Runs a hub as tests.system.torture.launcher does, which fetches small pages and is in a hurry to fill gaps.

It also is quick to give up what does not end, and to forget what nothing needs any more.
"""

from __future__ import annotations

from datetime import timedelta

import urllib3

from tests.system.torture import launcher

ROWS_PER_PAGE, MOST = 6, 30
#: A connection counts after so many seconds. What speaks for more does not come about on one machine.
SETTLE = 1.0
#: Of tables of durations, after how many seconds a thing is given up: within the time of a block, and of some.
GIVE_UP = {
    **{"data_koji_build_1h": 120, "data_copr_build_1h": 30, "data_pungi_compose_1h": 300},
    **{"data_bodhi_update_1h": 600, "data_pagure_pull_request_1h": 1800, "data_pagure_issue_1h": 3600},
}


def main() -> None:
    """Run the hub."""
    hurry()
    launcher.HASTE["bus.watermark"] = {"SETTLE": SETTLE}
    launcher.HASTE["history.filler"] = {"LOOK": 0.2, "SHORTEST": 0.5, "LONGEST": 1.0}
    launcher.HASTE["upkeep.ledger_pruning"] = {"STEADY_S": 0.0}
    launcher.STEPS["slice"] = ("counting.writer", "Writer", "write_slice")
    launcher.STEPS["lacking"] = ("counting.writer", None, "lacking")
    launcher.STEPS["cover"] = ("counting.transaction", None, "cover")
    launcher.main()


def command() -> None:
    """Run a statscache command."""
    hurry()
    from statscache.cli import main as cli

    cli()


def hurry() -> None:
    """Ask an archive often, for little, and give up soon what does not end."""
    from statscache.history.archives.datagrepper.slices import Datagrepper
    from statscache_plugins.durations import bodhi_updates, copr_builds, koji_builds, pagure, pungi_composes

    assert Datagrepper.__init__.__kwdefaults__ is not None
    Datagrepper.__init__.__kwdefaults__.update(
        timeout=urllib3.Timeout(connect=1.0, read=1.0),
        retry=urllib3.Retry(total=3, backoff_factor=0.05),
        rows_per_page=ROWS_PER_PAGE,
        most=MOST,
    )
    for kind in (
        koji_builds.Plugin,
        copr_builds.Plugin,
        bodhi_updates.Plugin,
        *pagure.plugins,
        pungi_composes.Plugin,
    ):
        kind.give_up = timedelta(seconds=GIVE_UP[kind.model.__tablename__])


if __name__ == "__main__":
    main()
