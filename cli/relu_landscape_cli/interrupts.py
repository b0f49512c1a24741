"""Ctrl+C: answered at once, and nothing is left running behind it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def ending_processes() -> Iterator[None]:
    """End the processes begun here as soon as Ctrl+C comes: nothing they do will be kept.

    They leave the key to this process, and a chunk may take half a minute, for which one who
    presses it does not want to wait.
    """

    def end(_number: int, _frame: FrameType | None) -> None:
        for child in sys.modules["multiprocessing"].active_children():
            child.kill()
        raise KeyboardInterrupt

    with _handling(end):
        yield


@contextmanager
def held() -> Iterator[None]:
    """Let what is begun be finished before Ctrl+C counts; pressed again, it counts at once."""
    pressed = threading.Event()

    def wait(_number: int, _frame: FrameType | None) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()

    try:
        with _handling(wait):
            yield
    finally:
        # Also in the place of an error: Ctrl+C reaches what was begun, too, and may be its cause.
        if pressed.is_set():
            raise KeyboardInterrupt


@contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # where no handler can be set
        yield
        return
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
