"""Processes of the service, workers and those of short calls, are forked from one small server.

It has Dask and the engine imported (``forked``), so a process is there within some tens of
milliseconds, begun or begun again, where it would import for seconds; and what was imported is in
memory once for all. The service itself cannot be forked: it has threads. Where the server is
killed, whatever was forked from it ends as well, and the next process begins another server.

On systems other than Linux some libraries do not survive a fork, and workers are spawned. Imports
nothing that takes long, so that the server can begin before whoever needs it has imported anything.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from contextlib import suppress
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext

#: How workers of Dask begin, in its words.
METHOD = "forkserver" if sys.platform == "linux" else "spawn"

#: As Dask has it for processes that it spawns; read by the C library when a process begins. Freed
#: memory is given back sooner.
_TRIMMING = ("MALLOC_TRIM_THRESHOLD_", "65536")


def context() -> ForkServerContext:
    """Of processes that are forked from the server."""
    chosen = multiprocessing.get_context("forkserver")
    # The main module too, as every process imports it.
    chosen.set_forkserver_preload(["relu_landscape.jobs.pool.forked", "__main__"])
    return chosen


def begin() -> None:
    """Have the server import what it needs, beside whatever is done here meanwhile."""
    context()
    name, value = _TRIMMING
    is_ours = name not in os.environ
    os.environ.setdefault(name, value)
    try:
        forkserver.ensure_running()
    finally:
        if is_ours:
            del os.environ[name]


def end_server() -> None:
    """End the server, and what was forked from it; another one starts when it is needed."""
    pid = getattr(forkserver._forkserver, "_forkserver_pid", None)
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
