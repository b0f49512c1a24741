"""Requests too long to travel with every chunk: a worker keeps those it was told, for a while.

A chunk of such a request names it by its digest. A worker that does not know it says so, and the
chunk comes again with the request. So each worker is told a few times at most, whatever the number
of chunks, and one that is new, or has forgotten, is told like any other.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from typing import Any

from relu_landscape.engine.tasks import Composition

#: Requests up to this many bytes travel with their chunks: to send them takes less than to ask.
LONGEST_CARRIED = 65_536
#: Bytes of requests whose problems a worker keeps; the last one always.
KEPT_BYTES = 67_108_864

#: Begins a name where a request begins with a brace.
_MARK = b"sha256:"


def name_of(request: bytes) -> bytes:
    """What a chunk carries first: a long request's name, a short one itself."""
    if len(request) <= LONGEST_CARRIED:
        return request
    return _MARK + hashlib.sha256(request).hexdigest().encode()


class Problems:
    """The problems of the long requests that this process was told last, those used last longest.

    Tasks of one process share a problem, as they do where all run in one: none changes it.
    """

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most_bytes = most_bytes
        self._kept: OrderedDict[tuple[str, bytes], tuple[int, Any]] = OrderedDict()
        self._lock = threading.Lock()  # workers of other people's clusters may have threads

    def find(self, composition: str, chosen: Composition[Any], carried: bytes) -> Any | None:
        """The problem of the request that a chunk carries or names; None: not known here."""
        if carried.startswith(_MARK):
            return self._remembered((composition, carried))
        problem = chosen.problem(chosen.request.model_validate_json(carried))
        if len(carried) > LONGEST_CARRIED:
            self._keep((composition, name_of(carried)), len(carried), problem)
        return problem

    def _remembered(self, name: tuple[str, bytes]) -> Any | None:
        with self._lock:
            if name not in self._kept:
                return None
            self._kept.move_to_end(name)
            return self._kept[name][1]

    def _keep(self, name: tuple[str, bytes], size: int, problem: Any) -> None:
        with self._lock:
            self._kept[name] = (size, problem)
            self._kept.move_to_end(name)
            whole = sum(each for each, _ in self._kept.values())
            while whole > self._most_bytes and len(self._kept) > 1:
                whole -= self._kept.popitem(last=False)[1][0]
