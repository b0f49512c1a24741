"""What Linux is asked about a process of ours; elsewhere nothing is asked."""

from __future__ import annotations

import ctypes
import signal
import sys

#: Names that ``ps -o comm`` and ``top`` show; the kernel keeps 15 letters.
FORKED, WORKER, CALL = "relu-forked", "relu-worker", "relu-call"

#: From <linux/prctl.h>.
_SET_PARENT_DEATH_SIGNAL, _SET_NAME = 1, 15


def die_with_parent() -> None:
    """Have this process killed when the thread ends that began it."""
    _ask(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGKILL))


def name_process(name: str) -> None:
    """Have this process, if this is its first thread, shown by this name."""
    _ask(_SET_NAME, ctypes.c_char_p(name.encode()))


def dask_setup(_worker: object) -> None:
    """Called by Dask in the first thread of a worker of ours."""
    name_process(WORKER)


def _ask(option: int, value: int | ctypes.c_char_p) -> None:
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(option, value, 0, 0, 0)
