"""What a landscape will take, before it is begun: seconds by phase, and bytes in the store.

Each phase's seconds are taken to be a product of powers: the logarithm is linear in the features
below, with coefficients fitted by ``benchmarks.expectation`` (docs/benchmarks-expectation.md has
its table: how far off it is). They are processor seconds of one core of the machine that was
measured on; on another one their ratios hold, and the first chunks that are computed tell its
speed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from relu_landscape.engine.descent.starts import reduced_dimension
from relu_landscape.engine.landscape.expectation_fit import FITTED
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.landscape.rated_cost import COUNTED, rated_seconds
from relu_landscape.engine.tasks import Expected

#: Phases that the model knows, in their order, and those that it counts with another one.
MODELLED = ("sample", "classify", "structures", "pathways", "widening", "certify")
PART_OF = {"slow starts": "sample", "second look": "sample"}
#: Starts that are followed at least: so many lanes are paid for.
FEWEST_STARTS = 16


def expected(problem: Problem) -> Expected:
    """What this landscape will take if nothing of it is remembered.

    Of some 50 landscapes each (widths 3 to 40, d = M to 1000, all options) nine of ten are within a
    factor of 1.5 or little more, all within 2.4: seconds, and what the job takes in the store at
    its largest. Beyond those widths it is an extrapolation.
    """
    fitted = by(FITTED, problem)
    if not problem.learning_rates:
        return fitted
    seconds = dict(fitted.seconds)
    proving = {name: seconds.pop(name) for name in ("certify",) if name in seconds}
    return replace(fitted, seconds={**seconds, COUNTED: rated_seconds(problem), **proving})


def by(coefficients: Mapping[str, Sequence[float]], problem: Problem) -> Expected:
    """The same from other ``coefficients`` than the fitted ones."""
    seconds = {
        name: _power(coefficients[name], name, problem)
        for name in MODELLED
        if name in coefficients and _happens(name, problem)
    }
    stored = _power(coefficients["stored"], "stored", problem) if "stored" in coefficients else 0.0
    return Expected(seconds, stored)


def features(kind: str, problem: Problem) -> list[float]:
    """What the logarithm of a phase's seconds is linear in; ``kind`` "stored": of the bytes."""
    K, M = problem.students, problem.teachers
    over, under = float(K > M), float(K < M)
    saddles, certified = float(problem.saddles), float(problem.certify != "none")
    ratio = math.log(K / M)
    widths = [1.0, math.log(K), over, under, over * ratio, under * ratio]
    starts = math.log(max(problem.starts, FEWEST_STARTS))
    p = reduced_dimension(K, M, problem.dimension)
    if kind == "sample":
        # Above M the set of zero loss is approached more slowly the fewer students are to spare.
        spare = over / (K - M) if over else 0.0
        return [*widths, starts, math.log(p / M), spare, spare * math.log(K), certified]
    if kind == "stored":
        return [*widths, starts, math.log(K) ** 2, saddles, certified, float(problem.widen)]
    if kind == "certify":
        strict = float(problem.certify == "strict")
        return [*widths, strict, strict * math.log(K), saddles]
    if kind == "classify":
        return [*widths, starts, certified]
    return [*widths, math.log(K) ** 2, saddles]


def _power(coefficients: Sequence[float], kind: str, problem: Problem) -> float:
    pairs = zip(coefficients, features(kind, problem), strict=True)
    return math.exp(sum(each * feature for each, feature in pairs))


def _happens(phase: str, problem: Problem) -> bool:
    if phase == "structures":
        return problem.searches_structures
    if phase == "pathways":
        return problem.saddles
    if phase == "widening":
        return problem.widen
    if phase == "certify":
        return problem.certify != "none"
    return problem.starts > 0
