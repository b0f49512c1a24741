"""Whose chunk is next: of whoever has used least, in all processes on one store together.

What everybody has used is counted in the store with each checkpoint
(``store/lua/checkpoint.lua``). A pool reads it again and again, and adds what it knows better: what
came back since, and what is with the workers now. That is fair queueing by start tags (Goyal, Vin
and Cheng 1997, IEEE/ACM Trans. Netw. 5, 690): two who always have chunks that wait differ by the
chunks in flight at most, however many jobs each has, and however long the chunks of each are.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

#: How long chunks of somebody take of whom none has come back yet.
FIRST_GUESS_SECONDS = 1.0
#: Weight of the latest chunk in what the next one is expected to take.
LATEST = 0.25


class Shares:
    """What everybody has used of the workers, as one pool knows it. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._stored: Mapping[str, float] = {}
        self._before: dict[str, float] = {}
        self._since: dict[str, float] = {}
        self._usual: dict[str, float] = {}

    def took(self, payer: str, seconds: float) -> float:
        """A chunk came back that took so long, says this; the store hears of it elsewhere."""
        with self._lock:
            self._since[payer] = self._since.get(payer, 0.0) + seconds
            usual = self._usual.get(payer, seconds)
            self._usual[payer] = usual + LATEST * (seconds - usual)
        return seconds

    def learn(self, read: Callable[[], Mapping[str, float]]) -> None:
        """Take over what is stored. What came back meanwhile counts twice until the next time.

        Raises what ``read`` does; then nothing is forgotten.
        """
        with self._lock:
            for payer, seconds in self._since.items():
                self._before[payer] = self._before.get(payer, 0.0) + seconds
            self._since = {}
        stored = read()
        with self._lock:
            self._stored, self._before = dict(stored), {}
            self._usual = {who: each for who, each in self._usual.items() if who in stored}

    def used(self, payer: str, in_flight: int) -> float:
        """Seconds that somebody has used, with a guess for ``in_flight`` chunks."""
        with self._lock:
            known = sum(part.get(payer, 0.0) for part in (self._stored, self._before, self._since))
            return known + in_flight * self._usual.get(payer, FIRST_GUESS_SECONDS)

    def neediest(self, payers: Iterable[str], in_flight: Mapping[str, int]) -> str:
        """Who of these has used least; of several, the first."""
        return min(payers, key=lambda payer: self.used(payer, in_flight.get(payer, 0)))
