"""Transitions as a phase of a landscape: from each saddle of index 1 down both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import global_set
from relu_landscape.engine.landscape import sampling
from relu_landscape.engine.landscape.catalogue import ZERO_LOSS, Catalogue, Entry
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model import population
from relu_landscape.engine.points import classify, pathways
from relu_landscape.engine.tasks import Task
from relu_landscape.errors import NumericalError

Real = NDArray[np.float64]


def tasks(problem: Problem, saddles: Sequence[Entry]) -> list[Task]:
    """One task for every saddle of index 1 (in the whole space of weights)."""
    return [
        Task("passage", f"passage/{place}", {"place": place, "W": entry.point.W.tolist()})
        for place, entry in enumerate(saddles)
        if entry.point.index(problem.dimension) == 1
    ]


def descend_from_saddle(
    problem: Problem, arguments: Mapping[str, Any], backend: Mapping[str, Any]
) -> dict[str, Any]:
    """Both ends of the unstable curve of one saddle, labelled as they are, with their relation."""
    teacher = problem.teacher

    def descend(batch: Real) -> Real:
        descent = sampling.new_descent(problem, backend)
        paths = descent.begin(range(len(batch)), batch, gradient_tolerance=sampling.STRICT_GRADIENT)
        ends = sorted(descent.run(paths, strict=True)[0], key=lambda end: end.start)
        for end in ends:
            if not end.outcome.converged:
                raise NumericalError(f"A path from the saddle {end.outcome.value}.")
        return np.stack([end.W for end in ends])

    try:
        found = pathways.passage(
            np.asarray(arguments["W"], dtype=np.float64),
            descend=descend,
            hessian=lambda W: population.hessian(W, teacher)[0],
            loss=lambda W: float(population.loss(W, teacher)),
            zero_loss=global_set.LOSS if problem.students > problem.teachers else ZERO_LOSS,
            seed=problem.seed,
        )
    except NumericalError as error:
        return {"place": arguments["place"], "reason": str(error)}
    return {
        "place": arguments["place"],
        "ends": [end.tolist() for end in found.ends],
        "relation": found.relation,
    }


def destination(problem: Problem, catalogue: Catalogue, W: Real) -> Entry | None:
    """The minimum at which an end ``W`` (K, M) lies; None for the zero-loss continuum."""
    loss = float(population.loss(W, problem.teacher))
    if problem.students > problem.teachers and loss < global_set.LOSS:
        return None
    point = classify.classify(W, problem.teacher)
    return catalogue.add(f"below a saddle {loss:.12f}", point, "structured")
