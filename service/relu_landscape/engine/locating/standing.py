"""What is said of a point itself, and of the error of samples, whatever its second layer is."""

from __future__ import annotations

import math
from typing import Any

from relu_landscape.engine.exact import integer
from relu_landscape.engine.locating.problem import Problem
from relu_landscape.engine.locating.sampling_error import Predicted
from relu_landscape.engine.locating.tasks import Measured
from relu_landscape.engine.points import spectrum
from relu_landscape.engine.points.spectrum import Block, summarise
from relu_landscape.wire.landscape import Eigenvalue
from relu_landscape.wire.located import StatisticalError

#: What is null of a point from which the flow was not followed.
NOT_FOLLOWED = (
    "outcome", "end", "flow_time", "loss_to_lose", "distance", "distance_in_errors", "students",
    "teachers",
)  # fmt: skip


def standing(problem: Problem, measured: Measured, number: int) -> dict[str, Any]:
    """Members of ``LocatedPoint`` that say where point ``number`` is, but for its loss."""
    unit = problem.unit
    matched = [int(unit) if unit >= 0 else None for unit in measured.matched[number]]
    pairs = zip(matched, measured.cosines[number].tolist(), strict=True)
    return {
        "key": f"p{number + 1}",
        "gradient_norm": float(measured.gradient_norm[number]) * unit,
        "norms": (measured.norms[number] * unit).tolist(),
        "matched_teacher": matched,
        "cosines": [cosine if unit is not None else None for unit, cosine in pairs],
        "unmatched_teachers": sorted(set(range(problem.teachers)) - set(matched)),
        **_spectrum(problem, measured, number),
    }


def error_of(problem: Problem, predicted: Predicted | None) -> StatisticalError | None:
    """The error of ``sample_size`` inputs, in the units of the request."""
    n, unit = problem.sample_size, problem.unit
    if predicted is None or n is None:
        return None
    return StatisticalError(
        distance=math.sqrt(predicted.square / n) * unit,
        excess_loss=predicted.loss / n * unit**2,
        relative_accuracy=predicted.accuracy,
    )


def _spectrum(problem: Problem, measured: Measured, number: int) -> dict[str, object]:
    span, beside = measured.span[number], measured.beside[number]
    if not len(span):
        return dict.fromkeys(("index", "nullity", "min_eigenvalue", "spectrum"))
    copies = problem.copies_beside
    found = summarise(Block(span), Block(beside))
    lines = [
        Eigenvalue(
            eigenvalue=spectrum.shown(line.eigenvalue, found.tolerance),
            multiplicity=integer(line.multiplicity),
            space=space,
        )
        for values, times, space in ((span, 1, "span"), (beside, copies, "perpendicular"))
        for line in spectrum.grouped(values, times)
    ]
    return {
        "index": integer(found.index(copies)),
        "nullity": integer(found.nullity(copies)),
        "min_eigenvalue": spectrum.shown(found.min_eigenvalue(copies), found.tolerance),
        "spectrum": lines,
    }
