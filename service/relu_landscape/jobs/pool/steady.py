"""Dask's messages by the steady clock: none waits until a clock that went back is right again.

Dask sends messages in batches, some milliseconds apart by the time of day. Where that is set back
just then (a virtual machine that goes on, a clock that was an hour ahead), the next batch, with a
chunk or its answer, waits for as long as the step was.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from distributed import batched
from tornado import locks

#: What Dask compares with times that it noted before this was imported is the time of day then.
_BEGAN = time.time() - time.monotonic()
_started = batched.BatchedSend.start


def now() -> float:
    """Seconds since 1970, whatever becomes of the time of day."""
    return _BEGAN + time.monotonic()


class Waker(locks.Event):
    """Waited for until a time of ``now``, where Tornado's own is until a time of day."""

    def wait(self, timeout: float | timedelta | None = None) -> Any:
        """Raises Tornado's ``TimeoutError`` when the time is over."""
        if isinstance(timeout, float):
            timeout = timedelta(seconds=max(0.0, timeout - now()))
        return super().wait(timeout)


def _start(stream: Any, comm: Any) -> None:
    waker, stream.waker = stream.waker, Waker()
    if waker.is_set():
        stream.waker.set()
    _started(stream, comm)  # type: ignore[no-untyped-call]


def go_by_it() -> None:
    """Whatever stream of messages this process begins from now on."""
    batched.time = now  # type: ignore[attr-defined]
    batched.BatchedSend.start = _start  # type: ignore[method-assign]


def dask_setup(_worker: object) -> None:
    """Called by Dask in a worker of ours, before it speaks with its scheduler."""
    go_by_it()
