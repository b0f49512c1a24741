"""What has been found so far, for the impatient: provisional, by loss alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.tasks import Task

#: Provisional points are told apart by their loss to this many decimals; the final list is not.
DECIMALS = 7


class Findings:
    """Counts ends by loss while samples come in."""

    def __init__(self, problem: Problem) -> None:
        self._hits: dict[float, int] = {}
        self._global = 0
        self._has_continuum = problem.students > problem.teachers

    def update(self, task: Task, answer: Mapping[str, Any]) -> bool:
        """Take in an answer; says whether anything changed."""
        if task.kind != "sample":
            return False
        self._global += len(answer["global"])
        for group in answer["groups"]:
            loss = round(float(group["loss"]), DECIMALS)
            self._hits[loss] = self._hits.get(loss, 0) + len(group["members"])
        return bool(answer["global"] or answer["groups"])

    def summary(self) -> list[dict[str, Any]]:
        """``{key, kind, loss, hits}`` by loss; keys are provisional."""
        found: list[dict[str, Any]] = []
        if self._has_continuum and self._global:
            found.append(
                {"key": "g1", "kind": "global_continuum", "loss": 0.0, "hits": self._global}
            )
        for place, (loss, hits) in enumerate(sorted(self._hits.items()), start=1):
            found.append(
                {"key": f"p{place}", "kind": "unclassified", "loss": abs(loss), "hits": hits}
            )
        return found
