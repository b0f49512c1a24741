"""Fixed points as users read them: canonical order, structure, overlaps, spectrum, attraction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.families.structures import Structure
from relu_landscape.engine.landscape.catalogue import ZERO_LOSS, Entry
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.points import attraction, classify, symmetry
from relu_landscape.engine.points.classify import EIGENVALUE_TOLERANCE, Point
from relu_landscape.engine.points.pathways import disconnectivity as graph
from relu_landscape.engine.points.symmetry import Symmetry

Real = NDArray[np.float64]

#: Sorted eigenvalues closer than this are one eigenvalue. Computed copies of one agree to 1e-13 K;
#: distinct ones of a symmetric point are 1e-6 apart and more.
SAME_EIGENVALUE = 1e-9
LARGEST_EXACT = 2**53


def integer(value: int) -> int | str:
    """A JSON integer, or its digits where JSON numbers stop being exact."""
    return value if abs(value) <= LARGEST_EXACT else str(value)


def grouped_spectrum(values: Real, copies: int, space: str) -> list[dict[str, Any]]:
    """Lines {eigenvalue, multiplicity, space} of sorted eigenvalues, each ``copies`` times."""
    if not len(values) or copies == 0:
        return []
    breaks = np.nonzero(np.diff(values) > SAME_EIGENVALUE)[0] + 1
    return [
        {
            "eigenvalue": float(part.mean()),
            "multiplicity": integer(len(part) * copies),
            "space": space,
        }
        for part in np.split(values, breaks)
    ]


def stability(point: Point, problem: Problem) -> dict[str, Any]:
    """The ``stability`` of results.FixedPoint."""
    copies = problem.dimension - problem.teachers
    spectrum = grouped_spectrum(point.plane, 1, "plane")
    spectrum += grouped_spectrum(point.perpendicular, copies, "perpendicular")
    smallest = float(point.plane[0])
    if copies:
        smallest = min(smallest, float(point.perpendicular[0]))
    index = point.index_plane + copies * point.index_perpendicular
    return {
        "attractive": index == 0,
        "index": integer(index),
        "nullity": integer(point.nullity(problem.dimension)),
        "min_eigenvalue": float(point.plane[0]),
        "min_eigenvalue_perpendicular": float(point.perpendicular[0]) if copies else None,
        "eigenvalue_tolerance": EIGENVALUE_TOLERANCE,
        "gradient_norm": point.gradient_norm,
        "spectrum": spectrum,
        "slowest_time": 1.0 / smallest if smallest > EIGENVALUE_TOLERANCE else None,
    }


def structure_name(found: Symmetry) -> str:
    """The structure's name in the grammar of ``families.structures``, where it has one.

    A point whose student blocks are not each natural on one teacher block, or single units, has
    no such name and is called irregular, with the sizes of its orbits.
    """
    sizes = [len(orbit) for orbit in found.teacher_orbits]
    counts = [0] * len(sizes)
    extra = 0
    for orbit, block in zip(found.student_orbits, found.natural, strict=True):
        if block is None:
            if len(orbit) > 1:
                parts = "+".join(str(len(o)) for o in found.student_orbits)
                return f"irregular {parts} on {'+'.join(map(str, sizes))}"
            extra += 1
        elif sizes[block] == 1 and counts[block] == 1:
            extra += 1
        else:
            counts[block] += 1
    return Structure(tuple(sizes), tuple(counts), extra).canonical().name


def describe(point: Point, problem: Problem) -> tuple[dict[str, Any], dict[str, Any], Symmetry]:
    """Everything about a point that does not depend on how it was found, and its details."""
    teacher = problem.teacher
    T = None if teacher.is_orthonormal else teacher.gram
    R = classify.overlaps(point.W, teacher)
    norms = np.linalg.norm(point.W, axis=1)
    found = symmetry.analyse(R, norms, teacher.norms, T)
    order, columns = list(found.students), list(found.teachers)
    K, _M = R.shape
    canonical_R = R[np.ix_(order, columns)]
    Q = (point.W @ point.W.T)[np.ix_(order, order)]
    Q = (Q + Q.T) / 2.0
    orbit_size = math.factorial(K) * _teacher_permutations(problem) // found.automorphisms
    extra = sum(
        len(orbit)
        for orbit, block in zip(found.student_orbits, found.natural, strict=True)
        if block is None
    )
    body = {
        "loss": point.loss if point.loss > ZERO_LOSS else max(point.loss, 0.0),
        "structure": {
            "name": structure_name(found),
            "blocks": [len(orbit) for orbit in found.teacher_orbits],
            "students": [
                {"size": len(orbit), "teacher_block": block}
                for orbit, block in zip(found.student_orbits, found.natural, strict=True)
            ],
            "extra_students": extra,
            "isotropy": found.isotropy,
            "orbit_size": integer(orbit_size),
            "anti_aligned": symmetry.anti_aligned(
                canonical_R, norms[order], teacher.norms[columns]
            ),
        },
        "overlaps": {"R": canonical_R.tolist(), "Q": Q.tolist()},
        "norms": norms[order].tolist(),
        "stability": stability(point, problem),
    }
    V = np.linalg.cholesky(teacher.gram[np.ix_(columns, columns)])
    weights = canonical_R if teacher.is_orthonormal else np.linalg.solve(V, canonical_R.T).T
    details = {
        "weights": weights.tolist(),
        "teacher": V.tolist(),
        "eigenvalues_plane": point.plane.tolist(),
        "eigenvalues_perpendicular": point.perpendicular.tolist(),
        "perpendicular_copies": problem.dimension - problem.teachers,
    }
    return body, details, found


def _teacher_permutations(problem: Problem) -> int:
    """Order of the group of teacher permutations that T allows."""
    if problem.teacher.is_orthonormal:
        return math.factorial(problem.teachers)
    return symmetry.gram_symmetries(problem.teacher.gram)


def fixed_point(entry: Entry, key: str, problem: Problem) -> tuple[dict[str, Any], dict[str, Any]]:
    """One entry of ``results.Landscape.fixed_points`` and its details."""
    body, details, _ = describe(entry.point, problem)
    is_minimum = body["stability"]["attractive"]
    result = {
        "key": key,
        "kind": "minimum" if is_minimum else "saddle",
        "is_global": problem.students >= problem.teachers and entry.point.loss <= ZERO_LOSS,
        "found_by": sorted(entry.found_by),
        "continuum_dimension": None,
        "attraction": frequency(len(entry.hits), problem.starts) if is_minimum else None,
        "certificate": None,
        **body,
    }
    return result, details


def frequency(hits: int, starts: int) -> dict[str, Any] | None:
    """The ``attraction`` of a point; starts that failed count as trials."""
    if starts == 0:
        return None
    return {
        "hits": hits,
        "probability": hits / starts,
        "interval_95": attraction.wilson_interval(hits, starts),
        "attributed": None,
    }


def global_continuum(problem: Problem, hits: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """The entry of the zero-loss set for K > M.

    Every zero-loss student set splits teacher units into parallel students, so the set has
    dimension K - M. It is shown at one symmetric member: students dealt out to the teachers in
    turn, all students of a teacher equal.
    """
    K, M = problem.students, problem.teachers
    owner = np.arange(K) % M
    W = problem.teacher.V[owner] / np.bincount(owner, minlength=M)[owner][:, None]
    point = classify.spectrum_at(W, problem.teacher)
    body, details, _ = describe(point, problem)
    body["loss"] = 0.0
    body["structure"].update(name="zero loss", isotropy="continuum", orbit_size=1)
    # A sum of K - M + 1 equal students is flat; rounding must not turn flat into unstable.
    flat = body["stability"]
    flat.update(attractive=True, index=0, slowest_time=None)
    result = {
        "key": "g1",
        "kind": "global_continuum",
        "is_global": True,
        "found_by": ["sampled", "structured"] if hits else ["structured"],
        "continuum_dimension": K - M,
        "attraction": frequency(hits, problem.starts),
        "certificate": None,
        **body,
    }
    return result, details


def transitions(
    passed: Iterable[Mapping[str, Any]], keys: Mapping[int, str]
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Transitions by key, and the passages whose ends could not be told, with the reason."""
    joined, unfinished = [], []
    for item in passed:
        saddle: Entry = item["saddle"]
        key = keys[id(saddle)]
        if "reason" in item:
            unfinished.append({"saddle": key, "reason": item["reason"]})
            continue
        ends = [("g1", 0.0) if e is None else (keys[id(e)], e.point.loss) for e in item["ends"]]
        joined.append(
            {
                "saddle": key,
                "minima": [name for name, _ in ends],
                "same_copy": item["relation"] == "same copy",
                "relation": item["relation"],
                "barriers": [saddle.point.loss - loss for _, loss in ends],
            }
        )
    return joined, unfinished


def disconnectivity(
    points: Iterable[Mapping[str, Any]], joined: Iterable[Mapping[str, Any]], problem: Problem
) -> dict[str, Any] | None:
    """The disconnectivity graph as data; None where no saddles were asked for."""
    if not problem.saddles:
        return None
    losses = {point["key"]: point["loss"] for point in points}
    minima = {key: loss for key, loss in losses.items() if not key.startswith("s")}
    return graph(minima, [{**item, "loss": losses[item["saddle"]]} for item in joined])
