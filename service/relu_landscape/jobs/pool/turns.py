"""Which GPU is whose, and whose turn it is there, among the processes of one user.

Each process prepares, copies and judges its own paths meanwhile; on the device one call computes at
a time, and has all of it. Locks go with the process that holds them, however it ends.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

#: Files of the seats that this process has, open as long as it lives.
_seats: list[int] = []


def seated(devices: int, folder: Path | None = None) -> int:
    """The number of the device, of so many, that has the fewest processes; this one is of them from
    now on.

    ``folder``: where the locks are (default: the system's for temporary files).
    """
    for row in itertools.count():
        for device in range(devices):
            descriptor = _opened(folder, f"{device}-seat-{row}")
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            _seats.append(descriptor)
            return device
    raise AssertionError("there is always another row")


def turns_at(device: int, folder: Path | None = None) -> Callable[[], AbstractContextManager[None]]:
    """What to enter around each use of the device with this number; ``folder`` as above."""

    @contextmanager
    def turn() -> Iterator[None]:
        descriptor = _opened(folder, str(device))
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    return turn


def _opened(folder: Path | None, name: str) -> int:
    path = (folder or Path(tempfile.gettempdir())) / f"relu-landscape-{os.getuid()}-gpu-{name}.lock"
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
