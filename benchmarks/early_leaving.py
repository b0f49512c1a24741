"""Whether a path could leave the flow inside the certified ball of its minimum: measured.

    OPENBLAS_NUM_THREADS=1 python -m benchmarks.early_leaving [--cases 8,8,8,300 17,17,1000,300 ...]

Cases are K, M, d and random starts. Every start is followed to its end; the minima that were found
are certified; then every start is followed again, and its distance from its own end (in its own
labels, parts perpendicular to the teacher included) is compared at every step with

- the certified radius of attribution R, inside which the flow provably goes to the minimum, and
- the radius of ``crediting`` at the minimum's smallest eigenvalue, which is no proof.

Its own end in its own labels is the most that a search among listed minima could find, so the
savings are those of a matching that costs nothing; what one costs is timed beside. Evaluations are
gradients, two for a step and one for a step of the polish. Prints a table in Markdown and keeps the
figures in benchmarks/runs.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks._record import Record
from relu_landscape.engine.certificates import certify
from relu_landscape.engine.descent import lanes
from relu_landscape.engine.descent.batch import FIRST_GRADIENT_TOLERANCE, POLISH_ITERATIONS, Descent
from relu_landscape.engine.descent.company import together
from relu_landscape.engine.descent.crediting import Crediting
from relu_landscape.engine.descent.ends import End
from relu_landscape.engine.landscape.ends import EndGroup, grouped
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.sampling import draw_starts
from relu_landscape.engine.lanes.native import Paths, load
from relu_landscape.engine.model.arrays import NUMPY, on_host
from relu_landscape.engine.points import classify, identity
from relu_landscape.wire.requests import LandscapeRequest

Real = NDArray[np.float64]

CASES = ("8,8,8,300", "17,17,1000,300", "32,32,32,200")
#: Minima that are certified, the most frequent first; the others' starts are left out.
MOST = 12
#: Never reached, and steps after which a path is followed no more.
FOREVER, MOST_STEPS = 1 << 40, 6_000


@dataclass
class Minimum:
    """A minimum and its balls: certified, and that of crediting."""

    group: EndGroup
    certified: float
    credited: float


def minima_of(problem: Problem, ends: Sequence[End]) -> list[Minimum]:
    """The most frequent minima with their balls."""
    found = []
    groups = sorted(grouped(problem, ends).groups, key=lambda group: -len(group.members))
    for group in groups[:MOST]:
        point = classify.classify(group.W, problem.teacher)
        if point.index(problem.dimension) > 0:
            continue
        document = certify(point.W, mode="fast", teacher_width=problem.teachers)
        radius = document.get("attribution_radius")
        smallest = float(min(point.span.min(), point.perpendicular.min()))
        credited = Crediting.of(problem.teacher).safe_distance(smallest)
        found.append(Minimum(group, float(radius or 0.0), credited))
    return found


@dataclass
class Way:
    """Of n paths: the first step inside each ball, or ``FOREVER``; the step at which the flow ends
    today, where it is ``there`` (n, K, p), at ``reach`` certified radii from its end."""

    certified: NDArray[np.int64]
    credited: NDArray[np.int64]
    now: NDArray[np.int64]
    there: Real
    reach: Real


def followed(problem: Problem, numbers: list[int], ends: Real, radii: Real) -> Way:
    """Follow these starts step by step, ``ends`` (n, K, M) and ``radii`` (n, 2) known."""
    kernel = load()
    descent = Descent(
        problem.teacher, problem.students, xp=NUMPY, flow_tolerance=problem.flow_tolerance,
        kernel=kernel,
    )  # fmt: skip
    method = descent.method
    assert isinstance(method, lanes.NativeFlow)
    state = together(descent.begin(numbers, draw_starts(problem, numbers))).state
    n = len(numbers)
    paths = Paths(
        **{name: np.array(on_host(value), order="C") for name, value in vars(state).items()},
        gradient_tolerance=np.zeros(n), step_limit=np.zeros(n, dtype=np.int64),
    )  # fmt: skip
    way = Way(
        certified=np.full(n, FOREVER), credited=np.full(n, FOREVER), now=np.full(n, FOREVER),
        there=np.zeros_like(paths.W), reach=np.full(n, np.nan),
    )  # fmt: skip
    target = np.zeros_like(paths.W)
    target[..., : problem.teachers] = ends
    while np.any(np.maximum(way.certified, way.now) == FOREVER) and paths.steps.max() < MOST_STEPS:
        paths.step_limit = paths.steps + 1
        kernel.flow(problem.teacher, method.rules, paths)
        distance = np.sqrt(np.sum((paths.W - target) ** 2, axis=(1, 2)))
        for which, radius in ((way.certified, radii[:, 0]), (way.credited, radii[:, 1])):
            which[(which == FOREVER) & (distance <= radius)] = int(paths.steps.max())
        ends_now = (way.now == FOREVER) & (paths.gradient_norm <= FIRST_GRADIENT_TOLERANCE)
        way.now[ends_now] = int(paths.steps.max())
        way.there[ends_now] = paths.W[ends_now]
        way.reach[ends_now] = (distance / np.maximum(radii[:, 0], 1e-300))[ends_now]
    return way


def polish_of(problem: Problem, way: Way) -> float:
    """Gradients of a polish for each path, from where today's flow ends."""
    crediting = Crediting.of(problem.teacher)
    polish = lanes.minimiser(load(), problem.teacher)
    there = way.there[way.now < FOREVER]
    found = polish(
        None, there, tolerance=crediting.polished_gradient(problem.students),
        iterations=POLISH_ITERATIONS, reach=crediting.longest_polish,
    )  # fmt: skip
    return found.iterations / len(there)


def matching(problem: Problem, minima: list[Minimum], W: Real) -> float:
    """Seconds in which a point W (K, M) is compared with one minimum, all relabellings."""
    began, count = time.process_time(), 0
    while time.process_time() - began < 0.3:
        for minimum in minima:
            identity.labelled_distance(minimum.group.W, W, problem.teacher)
            count += 1
    return (time.process_time() - began) / count


def gradient_seconds(problem: Problem, W: Real) -> float:
    """Of one gradient in full lanes."""
    kernel, many = load(), np.repeat(W[None], 256, axis=0)
    began, count = time.process_time(), 0
    while time.process_time() - began < 0.3:
        kernel.forces(problem.teacher, many)
        count += 256
    return (time.process_time() - began) / count


def measure(case: str) -> dict[str, float]:
    """Figures of one case, by name."""
    K, M, d, starts = (int(word) for word in case.split(","))
    request = LandscapeRequest(
        student_width=K, teacher_width=M, input_dimension=d, starts=starts, structured=False
    )
    problem = Problem.from_request(request)
    numbers = list(range(starts))
    descent = Descent(problem.teacher, K, xp=NUMPY, flow_tolerance=1e-3, kernel=load())
    ends, _ = descent.run(descent.begin(numbers, draw_starts(problem, numbers)))
    began = time.process_time()
    minima = minima_of(problem, ends)
    proving = (time.process_time() - began) / len(minima)
    of = {start: each for each in minima for start in each.group.members}
    known = [end for end in sorted(ends, key=lambda end: end.start) if end.start in of]
    mine = [end.start for end in known]
    radii = np.array([[of[start].certified, of[start].credited] for start in mine])
    way = followed(problem, mine, np.stack([end.W for end in known]), radii)
    polish = polish_of(problem, way)
    today = 2 * np.minimum(way.now, MOST_STEPS) + polish
    figures: dict[str, float] = {
        "minima": len(minima), "starts that end there": len(mine),
        "evaluations of a start": float(today.mean()), "of them polish": polish,
    }  # fmt: skip
    for name, first in (("certified ball", way.certified), ("ball of crediting", way.credited)):
        saved = np.where(first <= way.now, today - 2 * np.minimum(first, way.now), 0.0)
        figures[f"{name}: reached before the flow ends, share"] = float((first < way.now).mean())
        figures[f"{name}: saved for nothing, share"] = float(saved.sum() / today.sum())
        figures[f"{name}: saved, evaluations"] = float(saved.mean())
    gradient = gradient_seconds(problem, draw_starts(problem, [0])[0])
    tried = matching(problem, minima, known[0].path_end)
    figures["comparing with one minimum, evaluations"] = tried / gradient
    figures["proving one minimum, evaluations"] = proving / gradient
    figures["certified radius, smallest"] = float(radii[:, 0].min())
    figures["certified radius, largest"] = float(radii[:, 0].max())
    figures["distance over radius where the flow ends, median"] = float(np.nanmedian(way.reach))
    return figures


def main() -> None:
    """Print the table and keep the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="*", default=list(CASES))
    cases = parser.parse_args().cases
    record = Record("early_leaving", {"cases": cases})
    found = {case: measure(case) for case in cases}
    print(f"| | {' | '.join(case.replace(',', ', ') for case in cases)} |")
    print("|---|" + "---|" * len(cases))
    for name in found[cases[0]]:
        print(f"| {name} | {' | '.join(f'{figures[name]:.3g}' for figures in found.values())} |")
    for case, figures in found.items():
        for name, value in figures.items():
            record.add(f"{case}: {name}", "", value)
    record.write()


if __name__ == "__main__":
    main()
