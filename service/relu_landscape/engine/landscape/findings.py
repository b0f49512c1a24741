"""What has been found so far, for the impatient: provisional, by loss alone."""

from __future__ import annotations

from relu_landscape.engine.landscape.ends import Ends
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.tasks import Monitor
from relu_landscape.wire.landscape import LandscapeFinding

#: Provisional points are told apart by their loss to this many decimals; the final list is not.
DECIMALS = 7


class Findings:
    """Counts ends by loss while samples come in, and tells the monitor."""

    def __init__(self, problem: Problem, monitor: Monitor) -> None:
        self._hits: dict[float, int] = {}
        self._global = 0
        self._has_continuum = problem.has_continuum
        self._monitor = monitor

    def see(self, ends: Ends) -> None:
        """Take in an answer; the monitor hears of it where anything changed."""
        self._global += len(ends.reached_global)
        for group in ends.groups:
            loss = round(group.loss, DECIMALS)
            self._hits[loss] = self._hits.get(loss, 0) + len(group.members)
        if ends.reached_global or ends.groups:
            self._monitor.findings(self.summary())

    def summary(self) -> list[LandscapeFinding]:
        """All findings so far by loss, the continuum first; keys are provisional."""
        found = [
            LandscapeFinding(key=f"p{place}", kind="unclassified", loss=abs(loss), hits=hits)
            for place, (loss, hits) in enumerate(sorted(self._hits.items()), start=1)
        ]
        if self._has_continuum and self._global:
            continuum = LandscapeFinding(
                key="g1", kind="global_continuum", loss=0.0, hits=self._global
            )
            found.insert(0, continuum)
        return found
