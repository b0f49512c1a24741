"""Fixed points as users read them: canonical order, structure, overlaps, spectrum, attraction."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from relu_landscape.engine.descent.outcomes import Outcome
from relu_landscape.engine.exact import integer
from relu_landscape.engine.families import structures
from relu_landscape.engine.landscape.catalogue import ZERO_LOSS, Catalogue, Entry
from relu_landscape.engine.landscape.pathways import CONTINUUM
from relu_landscape.engine.landscape.problem import Problem
from relu_landscape.engine.model import kernel
from relu_landscape.engine.points import attraction, classify, spectrum, symmetry
from relu_landscape.engine.points.classify import Point
from relu_landscape.engine.points.symmetry import Symmetry
from relu_landscape.wire import landscape as wire
from relu_landscape.wire.certificate import Certificate, StudentBlock
from relu_landscape.wire.rated import PointRates
from relu_landscape.wire.widening import Widening

Real = NDArray[np.float64]


@dataclass(frozen=True)
class Listed:
    """A fixed point as it is answered, its details, and how far its hits ended from it at most."""

    point: wire.FixedPoint
    details: wire.FixedPointDetails
    distances: tuple[float, ...] = ()

    def widened(self, widening: Widening) -> Listed:
        """With what one more student does there."""
        return replace(self, point=self.point.model_copy(update={"widening": widening}))

    def rated(self, rates: PointRates) -> Listed:
        """With what learning rates do to it."""
        return replace(self, point=self.point.model_copy(update={"learning_rates": rates}))

    def certified(self, certificate: Certificate, hits: int) -> Listed:
        """With its certificate, which proves so many of the hits of an isolated minimum."""
        attraction = self.point.attraction
        if attraction is not None and self.point.kind == "minimum":
            attraction = attraction.model_copy(update={"attributed": hits})
        changed = {"certificate": certificate, "attraction": attraction}
        return replace(self, point=self.point.model_copy(update=changed))


@dataclass(frozen=True)
class _Description:
    """Everything about a point that does not depend on how it was found."""

    structure: wire.Structure
    overlaps: wire.Overlaps
    norms: list[float]
    stability: wire.Stability
    details: wire.FixedPointDetails


def fixed_point(entry: Entry, key: str, problem: Problem) -> Listed:
    """An isolated fixed point."""
    point = entry.point
    described = _described(point, problem)
    is_minimum = described.stability.attractive
    accuracy = _loss_accuracy(point.loss, problem)
    body = wire.FixedPoint(
        key=key,
        kind="minimum" if is_minimum else "saddle",
        loss=spectrum.shown(point.loss, accuracy),
        loss_accuracy=accuracy,
        is_global=problem.students >= problem.teachers and point.loss <= ZERO_LOSS,
        found_by=sorted(entry.found_by),
        structure=described.structure,
        overlaps=described.overlaps,
        norms=described.norms,
        continuum_dimension=None,
        stability=described.stability,
        attraction=frequency(len(entry.hits), problem.starts) if is_minimum else None,
        certificate=None,
    )
    return Listed(body, described.details, tuple(entry.distances))


def global_continuum(problem: Problem, hits: int, *, below_saddle: bool) -> Listed:
    """The entry of the zero-loss set for K > M, at which so many starts arrived.

    Every zero-loss student set splits teacher units into parallel students, so the set has
    dimension K - M. It is shown at one symmetric member: students dealt out to the teachers in
    turn, all students of a teacher equal. ``below_saddle``: whether a pathway ends there.
    """
    K, M = problem.students, problem.teachers
    owner = np.arange(K) % M
    W = problem.teacher.V[owner] / np.bincount(owner, minlength=M)[owner][:, None]
    described = _described(classify.spectrum_at(W, problem.teacher), problem)
    found_by: set[wire.FoundBy] = {"structured"}
    if hits:
        found_by.add("sampled")
    if below_saddle:
        found_by.add("pathway")
    renamed = {"name": "zero loss", "isotropy": "continuum", "orbit_size": 1}
    # A sum of K - M + 1 equal students is flat; rounding must not turn flat into unstable.
    flat = {
        "attractive": True,
        "index": 0,
        "index_span": 0,
        "index_perpendicular": 0,
        "relaxation_time": None,
    }
    body = wire.FixedPoint(
        key=CONTINUUM,
        kind="global_continuum",
        loss=0.0,
        loss_accuracy=_loss_accuracy(0.0, problem),
        is_global=True,
        found_by=sorted(found_by),
        structure=described.structure.model_copy(update=renamed),
        overlaps=described.overlaps,
        norms=described.norms,
        continuum_dimension=K - M,
        stability=described.stability.model_copy(update=flat),
        attraction=frequency(hits, problem.starts),
        certificate=None,
    )
    return Listed(body, described.details)


def _loss_accuracy(loss: float, problem: Problem) -> float:
    """Absolute error of a computed loss."""
    mean_square = float(np.mean(problem.teacher.norms**2))
    return kernel.loss_accuracy(loss, max(problem.students, problem.teachers), mean_square)


def _described(point: Point, problem: Problem) -> _Description:
    teacher = problem.teacher
    T = None if teacher.is_orthonormal else teacher.gram
    R = classify.overlaps(point.W, teacher)
    norms = np.linalg.norm(point.W, axis=1)
    found = symmetry.analyse(R, norms, teacher.norms, T)
    order, columns = list(found.students), list(found.teachers)
    canonical_R = R[np.ix_(order, columns)]
    Q = (point.W @ point.W.T)[np.ix_(order, order)]
    Q = (Q + Q.T) / 2.0
    anti_aligned = symmetry.anti_aligned(canonical_R, norms[order], teacher.norms[columns])
    V = np.linalg.cholesky(teacher.gram[np.ix_(columns, columns)])
    weights = canonical_R if teacher.is_orthonormal else np.linalg.solve(V, canonical_R.T).T
    return _Description(
        structure=structure_of(
            found, math.factorial(problem.students) * _teacher_permutations(problem), anti_aligned
        ),
        # A zero added makes 0.0 of -0.0, and leaves every other number as it is.
        overlaps=wire.Overlaps(R=(canonical_R + 0.0).tolist(), Q=(Q + 0.0).tolist()),
        norms=norms[order].tolist(),
        stability=_stability(point, problem),
        details=wire.FixedPointDetails(
            weights=weights.tolist(),
            teacher=V.tolist(),
            eigenvalues_span=point.span.tolist(),
            eigenvalues_perpendicular=point.perpendicular.tolist(),
            perpendicular_copies=problem.perpendicular_copies,
        ),
    )


def structure_of(found: Symmetry, relabellings: int, anti_aligned: int) -> wire.Structure:
    """A symmetry as it is answered; ``relabellings`` of students and teachers there are in all."""
    blocks = list(zip(found.student_orbits, found.natural, strict=True))
    return wire.Structure(
        name=structure_name(found),
        blocks=[len(orbit) for orbit in found.teacher_orbits],
        students=[StudentBlock(size=len(orbit), teacher_block=block) for orbit, block in blocks],
        extra_students=sum(len(orbit) for orbit, block in blocks if block is None),
        isotropy=found.isotropy,
        orbit_size=integer(relabellings // found.automorphisms),
        anti_aligned=anti_aligned,
    )


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
    return structures.Structure(tuple(sizes), tuple(counts), extra).canonical().name


def _teacher_permutations(problem: Problem) -> int:
    """Order of the group of teacher permutations that T allows."""
    if problem.teacher.is_orthonormal:
        return math.factorial(problem.teachers)
    return symmetry.gram_symmetries(problem.teacher.gram)


def _stability(point: Point, problem: Problem) -> wire.Stability:
    copies = problem.perpendicular_copies
    found = point.summary
    tolerance = found.tolerance
    return wire.Stability(
        attractive=found.is_attractive(copies),
        index_span=integer(found.index_span),
        index_perpendicular=integer(found.index_perpendicular),
        min_eigenvalue_span=spectrum.shown(found.min_eigenvalue_span, tolerance),
        min_eigenvalue_perpendicular=(
            spectrum.shown(found.min_eigenvalue_perpendicular, tolerance) if copies else None
        ),
        eigenvalue_tolerance=tolerance,
        gradient_norm=point.gradient_norm,
        relaxation_time=found.relaxation_time(copies),
        index=integer(found.index(copies)),
        nullity=integer(found.nullity(copies)),
        spectrum=[
            *_lines(point.span, 1, "span", tolerance),
            *_lines(point.perpendicular, copies, "perpendicular", tolerance),
        ],
    )


def _lines(values: Real, copies: int, space: wire.Space, tolerance: float) -> list[wire.Eigenvalue]:
    """Lines of sorted eigenvalues, each of which occurs ``copies`` times."""
    return [
        wire.Eigenvalue(
            eigenvalue=spectrum.shown(line.eigenvalue, tolerance),
            multiplicity=integer(line.multiplicity),
            space=space,
        )
        for line in spectrum.grouped(values, copies)
    ]


def frequency(hits: int, starts: int) -> wire.Attraction | None:
    """The attraction of a point; starts that failed count as trials."""
    if starts == 0:
        return None
    return wire.Attraction(
        hits=hits,
        probability=hits / starts,
        interval_95=attraction.wilson_interval(hits, starts),
        attributed=None,
    )


def starts(problem: Problem, catalogue: Catalogue) -> wire.Starts:
    """What became of the random starts."""
    failed = catalogue.failed
    outcomes: dict[str, int] = {}
    for name in failed.values():
        sentence = Outcome[name].value
        outcomes[sentence] = outcomes.get(sentence, 0) + 1
    return wire.Starts(
        asked=problem.starts,
        converged=problem.starts - len(failed),
        failed=len(failed),
        left_saddles=len(catalogue.left_saddles - set(failed)),
        through_zero=len(catalogue.through_zero),
        outcomes=outcomes,
    )


def missing_mass(problem: Problem, points: Iterable[wire.FixedPoint]) -> wire.MissingMass | None:
    """Chance that the next start ends at a point not listed; None without starts.

    Failed starts are trials that ended at no listed point.
    """
    if problem.starts == 0:
        return None
    hits = [point.attraction.hits for point in points if point.attraction is not None]
    estimate, bound = attraction.missing_mass(hits, problem.starts)
    return wire.MissingMass(estimate=estimate, upper_bound_95=bound)


def losses(points: Sequence[wire.FixedPoint]) -> tuple[dict[str, float], dict[str, float]]:
    """Losses of minima, the continuum among them, and of saddles, by key."""
    minima = {point.key: point.loss for point in points if point.kind != "saddle"}
    return minima, {point.key: point.loss for point in points if point.kind == "saddle"}
