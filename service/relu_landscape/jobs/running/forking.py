"""Imported by the server that call processes are forked from, before anything else there.

A process must have a single thread where others are forked from it, and BLAS starts its threads
when it is imported. Nobody else imports this.
"""

from __future__ import annotations

import os

from relu_landscape.jobs.pool.threads import ONE_THREAD

os.environ.update(ONE_THREAD)
