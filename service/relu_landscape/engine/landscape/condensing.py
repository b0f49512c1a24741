"""Ends that are kept once: of a point at which another task's starts ended as well, its weights.

At K = 64 the weights are nearly all of an answer, and most starts end where others did. A group of
ends whose point another group of a lower start has is kept with that start in place of its weights,
and is given those back when it is read. Whoever joins groups (``catalogue.collect``) compares with
the point of the lowest start alone, so nothing else of it was looked at, and results are the same
to the bit, but where two ends differ by more than 0.9 and less than 1.1 of ``identity.RAW``: there,
one of them may join the other's group or not. Distinct points, which differ by a hundred times as
much, stay so: what is kept once here ``collect`` would have taken for one as well. Where a proof is
asked for, the distance of every group's own weights counts, and none is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.landscape.ends import EndGroup
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import Resume, Sample
from relu_landscape.engine.points import identity
from relu_landscape.engine.tasks import Task

Real = NDArray[np.float64]

#: Ends closer than this are kept once: a tenth of what makes them one point, so that comparisons
#: with any other end change by a tenth of their tolerance at most.
KEPT_ONCE = identity.RAW / 10.0


@dataclass
class Condenser:
    """``engine.tasks.Condenser`` of a landscape: for one job, by one thread.

    It knows every group that ``restore`` has seen, which are those whose answers are stored.
    """

    problem: Problem
    _numbers: list[Real] = field(default_factory=list)
    _lowest: list[EndGroup] = field(default_factory=list)
    _whole: dict[int, Real] = field(default_factory=dict)

    def condense(self, task: Task[Any, Any], answer: Any) -> Any:
        """The answer without weights that are stored already; itself where there are none."""
        if not self._concerns(task):
            return answer
        groups = tuple(self._condensed(group) for group in answer.groups)
        changes = any(new is not old for new, old in zip(groups, answer.groups, strict=True))
        return replace(answer, groups=groups) if changes else answer

    def restore(self, task: Task[Any, Any], answer: Any) -> Any | None:
        """The answer with all weights; None where some are not among those that were seen."""
        if not self._concerns(task):
            return answer
        groups: list[EndGroup] = []
        for group in answer.groups:
            if group.like is None:
                self._see(group)
                groups.append(group)
            elif group.like in self._whole:
                groups.append(replace(group, W=self._whole[group.like]))
            else:
                return None
        return replace(answer, groups=tuple(groups))

    def _concerns(self, task: Task[Any, Any]) -> bool:
        return self.problem.certify == "none" and isinstance(task, Sample | Resume)

    def _condensed(self, group: EndGroup) -> EndGroup:
        place = identity.nearest(self._numbers, self._of(group), tolerance=KEPT_ONCE)
        if place is None or self._lowest[place].start >= group.start:
            return group
        return replace(group, W=np.zeros((0, 0)), like=self._lowest[place].start)

    def _see(self, group: EndGroup) -> None:
        numbers = self._of(group)
        self._whole[group.start] = group.W
        place = identity.nearest(self._numbers, numbers, tolerance=KEPT_ONCE)
        if place is None:
            self._numbers.append(numbers)
            self._lowest.append(group)
        elif group.start < self._lowest[place].start:
            self._numbers[place], self._lowest[place] = numbers, group

    def _of(self, group: EndGroup) -> Real:
        return identity.invariants(group.W, self.problem.teacher, group.loss)
