"""Makes a worker give way to other processes; a worker of ours imports this before all else.

On a machine whose cores all compute, the process that answers would otherwise wait for its turn
among the workers, several milliseconds for each request.
"""

from __future__ import annotations

import os

NICENESS = "RELU_LANDSCAPE_WORKER_NICENESS"


def dask_setup(_worker: object) -> None:
    """Called by Dask in the thread that starts all others, which take their niceness from it."""
    if hasattr(os, "nice"):
        os.nice(int(os.environ.get(NICENESS, "0")))
