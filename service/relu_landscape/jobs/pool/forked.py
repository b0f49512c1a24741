"""Imported by the server that processes are forked from, before anything else there (``forking``).

A process must have a single thread where others are forked from it: BLAS starts its threads when it
is imported, unless it is told not to. Nobody else imports this.
"""

from __future__ import annotations

import contextlib
import importlib
import os

from relu_landscape.jobs.pool import prctl
from relu_landscape.jobs.pool.threads import ONE_THREAD


def _begin() -> None:
    """In each process that is forked here: were the server killed, nobody would know of it."""
    prctl.die_with_parent()
    prctl.name_process(prctl.FORKED)


def _import() -> None:
    """What workers and calls import. A module that fails says so where it is needed."""
    from relu_landscape.analyses import ANALYSES

    for module in ("scipy.linalg", "distributed.nanny", "distributed.worker", *ANALYSES.modules):
        with contextlib.suppress(Exception):
            importlib.import_module(module)


os.environ.update(ONE_THREAD)
os.register_at_fork(after_in_child=_begin)
_import()
