"""Runs a hub as tests.system.torture.launcher does, which fetches small pages and is in a hurry to fill gaps."""

from __future__ import annotations

import urllib3

from tests.system.torture import launcher

ROWS_PER_PAGE, MOST = 6, 30
#: A connection counts after so many seconds. What speaks for more does not come about on one machine.
SETTLE = 1.0


def main() -> None:
    """Run the hub."""
    from statscache.history.archives.datagrepper.slices import Datagrepper

    assert Datagrepper.__init__.__kwdefaults__ is not None
    Datagrepper.__init__.__kwdefaults__.update(
        timeout=urllib3.Timeout(connect=1.0, read=1.0),
        retry=urllib3.Retry(total=3, backoff_factor=0.05),
        rows_per_page=ROWS_PER_PAGE,
        most=MOST,
    )
    launcher.HASTE["bus.watermark"] = {"SETTLE": SETTLE}
    launcher.HASTE["history.filler"] = {"LOOK": 0.2, "SHORTEST": 0.5, "LONGEST": 1.0}
    launcher.STEPS["slice"] = ("counting.writer", "Writer", "write_slice")
    launcher.STEPS["lacking"] = ("counting.writer", None, "lacking")
    launcher.STEPS["cover"] = ("counting.transaction", None, "cover")
    launcher.main()


if __name__ == "__main__":
    main()
