"""Which chunk computes on which worker, and since when, as the workers themselves say.

Dask tells neither: a future of it is pending whether its task waits in a worker's queue or has
computed for an hour, and ``cancel`` says True while the task goes on. So a worker announces through
Dask's event log when it begins a chunk and when it ends one.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

#: Of Dask's event log; every pool on a scheduler hears it and knows its own chunks by their names.
TOPIC = "relu-landscape-chunks"


@dataclass(frozen=True)
class Computing:
    """A chunk that has begun: on the worker at this address, at this time of the watch's clock."""

    worker: str
    began: float


class Watch:
    """What one pool's workers compute now. Safe from any thread."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._prefix = f"relu-landscape-chunk-{uuid.uuid4().hex}-"
        self._lock = threading.Lock()
        self._sent = 0
        self._computing: dict[str, Computing] = {}
        self._took: dict[str, float] = {}
        self._computed, self._seconds = 0, 0.0

    def new_name(self) -> str:
        """A name for a chunk that is sent."""
        with self._lock:
            self._sent += 1
            return f"{self._prefix}{self._sent}"

    def hear(self, event: tuple[Any, dict[str, Any]]) -> None:
        """An entry of the event log: ``{chunk, worker, begins}``, at an end also ``seconds``."""
        _, said = event
        if not said["chunk"].startswith(self._prefix):
            return
        with self._lock:
            if said["begins"]:
                self._computing[said["chunk"]] = Computing(said["worker"], self._clock())
            else:
                here = self._computing.pop(said["chunk"], None)
                if here is not None:
                    self._computed += 1
                    self._seconds += said["seconds"]
                    self._took[said["chunk"]] = said["seconds"]

    def figures(self) -> dict[str, float]:
        """How many chunks workers have computed to their end, and in how many seconds."""
        with self._lock:
            return {"chunks_computed": self._computed, "chunk_compute_seconds": self._seconds}

    def computing(self) -> dict[str, Computing]:
        """Every chunk that has begun and not ended, by its name."""
        with self._lock:
            return dict(self._computing)

    def took(self, name: str) -> float:
        """For how many seconds this chunk, whose answer is there, was computed; asked once."""
        with self._lock:
            here = self._computing.pop(name, None)
            if here is None:
                return self._took.pop(name, 0.0)
            return self._clock() - here.began  # the news of its end are late

    def forget(self, name: str) -> None:
        """This chunk computes no longer: its answer is there, or its worker is not."""
        with self._lock:
            self._computing.pop(name, None)
            self._took.pop(name, None)
