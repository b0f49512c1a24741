"""The sampled side, as tasks: follow random starts, group their ends, leave saddles.

Every answer is built of ``groups``: ends that are one point up to relabelling, with the lowest
start's end as representative. Grouping here compares all relabelling-invariant numbers of a point
(``symmetry.invariants``); the exact decision comes later, on polished points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent import starts
from relu_landscape.engine.descent.batch import FIRST_GRADIENT_TOLERANCE, Descent, End
from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model import population
from relu_landscape.engine.points import classify, symmetry

Real = NDArray[np.float64]

#: Ends whose invariants differ by less are one group. Ends are accurate to 1e-11 over the smallest
#: eigenvalue (3e-7 for the flattest published minimum), distinct points differ by 1e-3.
SAME_GROUP = 1e-5
#: A second look at a path begins with a gradient this much smaller.
STRICT_FACTOR = 16.0
STRICT_GRADIENT = FIRST_GRADIENT_TOLERANCE / STRICT_FACTOR
#: Distance at which a path is put beside a saddle. The closest minimum known is 1e-3 from its
#: saddle. The noise takes it off symmetric ridges, on which other saddles lie.
PUSH = 1e-4
PUSH_NOISE = 1e-7


def new_descent(problem: Problem, backend: Mapping[str, Any]) -> Descent:
    """The integrator of this problem on the chosen backend."""
    return Descent(
        problem.teacher,
        problem.students,
        xp=backend["xp"],
        flow_tolerance=problem.flow_tolerance,
        on_gpu=backend["on_gpu"],
    )


def draw_starts(problem: Problem, indices: Sequence[int]) -> Real:
    """Starts (B, K, p) with the given numbers."""
    return starts.draw(
        indices,
        seed=problem.seed,
        students=problem.students,
        teacher=problem.teacher,
        dimension=problem.dimension,
        scale=problem.scale,
    )


def sample(problem: Problem, arguments: Mapping[str, Any], backend: Mapping[str, Any]) -> Any:
    """Follow the starts ``arguments['starts']`` (numbers) to their ends.

    With ``hand_back`` the slowest are returned as ``unfinished``, to be run again packed together.
    """
    indices = list(arguments["starts"])
    descent = new_descent(problem, backend)
    # The radius inside which a certificate attributes an end is some ten times smaller than the
    # one inside which it demonstrably belongs there.
    first = FIRST_GRADIENT_TOLERANCE if problem.certify == "none" else STRICT_GRADIENT
    paths = descent.begin(indices, draw_starts(problem, indices), gradient_tolerance=first)
    ends, unfinished = descent.run(paths, hand_back=bool(arguments["hand_back"]))
    return {**grouped(problem, ends), "unfinished": unfinished}


def follow(problem: Problem, arguments: Mapping[str, Any], backend: Mapping[str, Any]) -> Any:
    """Follow starts again with strict crediting, for those whose end was in doubt."""
    return {**grouped(problem, _strict_ends(problem, arguments["starts"], backend))}


def _strict_ends(problem: Problem, indices: Sequence[int], backend: Mapping[str, Any]) -> list[End]:
    descent = new_descent(problem, backend)
    paths = descent.begin(
        list(indices),
        draw_starts(problem, indices),
        gradient_tolerance=STRICT_GRADIENT,
    )
    return descent.run(paths, strict=True)[0]


def escape(problem: Problem, arguments: Mapping[str, Any], backend: Mapping[str, Any]) -> Any:
    """Leave the saddles at which starts came to rest, on both sides; credit the path's own side.

    A path that rests at a saddle is still off it by a rounding-sized amount; the sign of its
    component along the unstable directions says where the flow would have taken it. The other
    side's end is reported without a hit. ``rounds`` counts how often this start has been pushed.
    """
    descent = new_descent(problem, backend)
    credited: list[End] = []
    other: list[End] = []
    for end in _strict_ends(problem, arguments["starts"], backend):
        current = end
        for attempt in range(int(arguments["rounds"])):
            if current.outcome is not Outcome.FIXED_POINT:
                break
            sides = _sides(problem, current, attempt)
            if sides is None:
                break
            paths = descent.begin([end.start, end.start + problem.starts], sides)
            found, _ = descent.run(paths, strict=True)
            found.sort(key=lambda item: item.start)
            current = found[0]
            other.append(found[1])
        credited.append(current)
    result = grouped(problem, credited)
    without_hits = grouped(problem, other)
    for group in without_hits["groups"]:
        group.update(start=group["start"] - problem.starts, members=[], moved=[], aligned=[])
    return {**result, "groups": result["groups"] + without_hits["groups"]}


def _sides(problem: Problem, end: End, attempt: int) -> Real | None:
    """Two weights (2, K, p) beside the saddle at ``end``, the path's own side first."""
    point = classify.classify(end.W, problem.teacher)
    plane, perpendicular = classify.unstable_directions(point, problem.teacher)
    rng = np.random.Generator(
        np.random.Philox(key=[problem.seed, 1], counter=[0, 0, attempt, end.start])
    )
    K, M = point.W.shape
    columns = min(K, problem.dimension - M)
    base = np.concatenate([point.W, np.zeros((K, columns))], axis=1)
    direction = np.zeros_like(base)
    if len(plane):
        components = np.tensordot(plane, end.path_end - point.W, axes=([1, 2], [0, 1]))
        if np.linalg.norm(components) < 1e-13:
            components = np.eye(len(plane))[0]
        chosen = np.tensordot(components, plane, axes=1)
        direction[:, :M] = chosen / np.linalg.norm(chosen)
    elif len(perpendicular) and columns:
        direction[:, M] = perpendicular[0]
    else:
        return None
    noise = rng.standard_normal((2, *base.shape))
    return base + PUSH * np.stack([direction, -direction]) + PUSH_NOISE * noise


def grouped(problem: Problem, ends: Sequence[End]) -> dict[str, Any]:
    """Ends as groups, and the starts that reached the global set or failed."""
    result: dict[str, Any] = {"groups": [], "global": [], "failed": {}}
    known: list[Real] = []
    fixed = []
    for end in sorted(ends, key=lambda item: item.start):
        if end.outcome is Outcome.GLOBAL_SET:
            result["global"].append(end.start)
        elif not end.outcome.converged:
            result["failed"].setdefault(end.outcome.name, []).append(end.start)
        else:
            fixed.append(end)
    if not fixed:
        return result
    losses = population.loss(np.stack([end.W for end in fixed]), problem.teacher)
    for end, loss in zip(fixed, losses, strict=True):
        numbers = invariants(problem, end.W, float(loss))
        place = nearest_group(known, numbers)
        if place is None:
            known.append(numbers)
            result["groups"].append(
                {
                    "start": end.start,
                    "W": end.W,
                    "loss": float(loss),
                    "members": [],
                    "moved": [],
                    "aligned": [],
                }
            )
            place = len(known) - 1
        group = result["groups"][place]
        distance = end.moved
        if problem.certify != "none":
            distance += labelled_distance(problem, group["W"], end.W)
        group["members"].append(end.start)
        group["moved"].append(distance)
        group["aligned"].append(end.aligned)
    return result


def invariants(problem: Problem, W: Real, loss: float) -> Real:
    """All relabelling-invariant numbers of a point ``W`` (K, M)."""
    R = classify.overlaps(W, problem.teacher)
    return symmetry.invariants(R, np.linalg.norm(W, axis=1), loss)


def nearest_group(known: Sequence[Real], numbers: Real) -> int | None:
    """Position of the known invariants equal to ``numbers``, or None."""
    for place, candidate in enumerate(known):
        if abs(candidate[0] - numbers[0]) < SAME_GROUP and np.all(
            np.abs(candidate - numbers) < SAME_GROUP
        ):
            return place
    return None


def labelled_distance(problem: Problem, W: Real, other: Real) -> float:
    """Frobenius distance of ``other`` from ``W`` after relabelling it; infinite if no copy."""
    if np.array_equal(W, other):
        return 0.0
    teacher = problem.teacher
    T = None if teacher.is_orthonormal else teacher.gram
    R, moved = classify.overlaps(W, teacher), classify.overlaps(other, teacher)
    found = symmetry.relabelling(R, moved, T)
    if found is None:
        return float("inf")
    difference = moved[np.ix_(*found)] - R
    return float(np.linalg.norm(np.linalg.solve(teacher.V, difference.T)))
