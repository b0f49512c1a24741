"""``KILLS=1000 SEED=1 python -m tests.campaign``: kills, then a table and the verdict.

Half of the kills are against embedded store and workers, half against an external Redis and Dask
(``SETUPS=embedded`` or ``external`` for one alone). Two API processes serve each; jobs are
submitted over HTTP all the while. 1,000 kills take about half an hour on two cores. The exit status
is 0 if no acknowledged job was lost, stuck, doubled, wrong or wrongly failed, and no process was
taken for dead that lived.
"""

from __future__ import annotations

import os
import signal
import sys

from tests.campaign.run import run_all


def main() -> int:
    # An end from outside still stops what was started here.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    kills = int(os.environ.get("KILLS", "40"))
    seed = int(os.environ.get("SEED", "1"))
    setups = os.environ.get("SETUPS", "embedded,external").split(",")
    return 0 if run_all(kills, seed, setups) else 1


if __name__ == "__main__":
    sys.exit(main())
