"""Whose turn it is at a GPU, among the processes of one user.

Each process prepares and judges its own paths meanwhile; on the device one call computes at a time,
and has all of it. The lock goes with the process that holds it, however it ends.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path


def turns_at(device: int, folder: Path | None = None) -> Callable[[], AbstractContextManager[None]]:
    """What to enter around each use of the device with this number.

    ``folder``: where the lock is (default: the system's for temporary files).
    """
    name = f"relu-landscape-{os.getuid()}-gpu-{device}.lock"
    path = (folder or Path(tempfile.gettempdir())) / name

    @contextmanager
    def turn() -> Iterator[None]:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    return turn
