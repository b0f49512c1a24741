"""Frequencies of SGD: the landscape of the starts, then SGD from each, then where its runs lead.

The result is a function of the request alone: start n has a stream for its weights and one for the
inputs that SGD sees, whatever else is computed beside it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.batch import lane_count
from relu_landscape.engine.frequencies import report
from relu_landscape.engine.frequencies.problem import Problem, as_frequencies
from relu_landscape.engine.frequencies.simulating import RUNS_PER_TASK, Stood, simulate
from relu_landscape.engine.frequencies.tasks import FallFrom
from relu_landscape.engine.landscape import problem as landscape
from relu_landscape.engine.landscape.catalogue import Catalogue
from relu_landscape.engine.landscape.ends import Ends
from relu_landscape.engine.landscape.phases import Phases
from relu_landscape.engine.landscape.sampling import follow_starts
from relu_landscape.engine.landscape.settling import settle
from relu_landscape.engine.landscape.structured import begin_search, chosen, search_structures
from relu_landscape.engine.locating.falling import BATCHES_PER_TASK, Fate, fates_of
from relu_landscape.engine.tasks import Composed, Monitor, Runner
from relu_landscape.wire.frequencies import FrequenciesFinding

Real = NDArray[np.float64]


def compose(
    problem: landscape.Problem, *, run: Runner, monitor: Monitor, chunk_starts: int | None = None
) -> Composed:
    """Find frequencies.

    Parameters: ``run`` executes tasks; ``monitor`` is told of progress and may cancel;
    ``chunk_starts`` starts per task, of gradient flow and of SGD. Returns a
    ``wire.frequencies.FrequenciesBody``, without parts. Raises ``Cancelled`` if the monitor says
    so.
    """
    asked = as_frequencies(problem)
    phases, catalogue, telling = Phases(run, monitor), Catalogue(asked), _Telling(asked, monitor)
    names, explanation = chosen(asked)
    begun = begin_search(asked, phases, names)
    ends = follow_starts(asked, phases, chunk_starts=chunk_starts, seen=telling.flow)
    settle(asked, phases, catalogue, ends)
    searches = search_structures(asked, phases, catalogue, begun)
    stood = simulate(asked, run, monitor, chunk_starts or RUNS_PER_TASK, telling.sgd)
    fates = _fall(asked, phases, catalogue, stood)
    return report.composed(asked, catalogue, stood, fates, searches, explanation)


class _Telling:
    """How far it is, for the monitor."""

    def __init__(self, problem: Problem, monitor: Monitor) -> None:
        self._monitor = monitor
        self._followed = self._steps = 0
        self._of_steps = sum(steps[-1] for steps in problem.steps)

    def flow(self, ends: Ends) -> None:
        """Some starts were followed to their ends."""
        ended = sum(len(group.members) for group in ends.groups) + len(ends.reached_global)
        self._followed += ended + sum(len(starts) for starts in ends.failed.values())
        self._say()

    def sgd(self, steps: int) -> None:
        """Every run has done so many steps."""
        self._steps = steps
        self._say()

    def _say(self) -> None:
        finding = FrequenciesFinding(
            followed=self._followed, steps=self._steps, of_steps=self._of_steps
        )
        self._monitor.findings([finding])


def _fall(
    problem: Problem, phases: Phases, catalogue: Catalogue, stood: Sequence[Stood]
) -> dict[tuple[int, int, int], Fate]:
    """Fates by learning rate, check and start, of the runs that had not run away then."""
    places = [
        (rate, check, start)
        for rate, runs in enumerate(stood)
        for check, step in enumerate(problem.steps[rate])
        for start, gone in enumerate(runs.ran_away.tolist())
        if gone < 0 or step <= gone - problem.layout.steps
    ]
    lanes = lane_count(problem.students, problem.teachers)

    def tasks(numbers: Sequence[int], is_strict: bool) -> list[FallFrom]:
        size = max(1, min(BATCHES_PER_TASK * phases.pace * lanes, -(-len(numbers) // 8)))
        return [
            FallFrom(
                key=f"fall/{int(is_strict)}/{size}/{numbers[first]}",
                numbers=tuple(numbers[first : first + size]),
                W=_weights(stood, [places[number] for number in numbers[first : first + size]]),
                strict=is_strict,
            )
            for first in range(0, len(numbers), size)
        ]

    fates = fates_of(problem, phases, catalogue, len(places), tasks, lambda _: None)
    return dict(zip(places, fates, strict=True))


def _weights(stood: Sequence[Stood], places: Sequence[tuple[int, int, int]]) -> Real:
    """Weights (n, K, M + K) at these places."""
    return np.stack([stood[rate].W[start, check] for rate, check, start in places])
