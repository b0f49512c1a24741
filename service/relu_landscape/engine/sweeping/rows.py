"""A row of the table from a cell's landscape."""

from __future__ import annotations

from collections.abc import Sequence

from relu_landscape.engine.points.attraction import wilson_interval
from relu_landscape.engine.sweeping.grid import Problem
from relu_landscape.wire.landscape import FixedPoint, Landscape
from relu_landscape.wire.sweeps import SweepFinding, SweepMinimum, SweepRow


def row_without(problem: Problem, cell: int, error: str, landscape: str | None = None) -> SweepRow:
    """The row of a cell that has no landscape, and why."""
    student, teacher = problem.widths(cell)
    return SweepRow(
        cell=cell,
        values=problem.coordinates[cell],
        student_width=student,
        teacher_width=teacher,
        landscape=landscape,
        error=error,
    )


def row_of(problem: Problem, cell: int, found: Landscape) -> SweepRow:
    """The row of a cell with its landscape.

    Zero loss is what the landscape calls global: hits of its minima of zero loss and of the
    continuum, over the starts that were asked for.
    """
    minima = [point for point in found.fixed_points if point.kind != "saddle"]
    saddles = [point for point in found.fixed_points if point.kind == "saddle"]
    spurious = [point for point in minima if not point.is_global]
    isolated = [point for point in minima if point.kind == "minimum"]
    asked = found.starts.asked
    hits = _hits([point for point in minima if point.is_global]) if asked else None
    mass = found.missing_mass
    return SweepRow(
        cell=cell,
        values=problem.coordinates[cell],
        student_width=found.request.student_width,
        teacher_width=found.request.teacher_width,
        landscape=found.id,
        digest=found.digest,
        starts=asked,
        failed_starts=found.starts.failed,
        zero_loss_hits=hits,
        zero_loss_probability=None if hits is None else hits / asked,
        zero_loss_interval_95=None if hits is None else wilson_interval(hits, asked),
        spurious_minima=len(spurious),
        lowest_spurious_loss=min((point.loss for point in spurious), default=None),
        smallest_eigenvalue=min((_smallest(point) for point in isolated), default=None),
        missing_mass=None if mass is None else mass.estimate,
        missing_mass_bound_95=None if mass is None else mass.upper_bound_95,
        saddles=len(saddles),
        lowest_saddle_loss=min((point.loss for point in saddles), default=None),
        certified=None
        if found.request.certify == "none"
        else sum(_is_proved(point) for point in found.fixed_points),
        minima=[_minimum(point) for point in sorted(minima, key=lambda point: point.loss)],
    )


def finding(row: SweepRow) -> SweepFinding:
    """What is told of a row before the table is whole."""
    return SweepFinding(**{name: getattr(row, name) for name in SweepFinding.model_fields})


def _hits(points: Sequence[FixedPoint]) -> int:
    return sum(point.attraction.hits for point in points if point.attraction is not None)


def _smallest(point: FixedPoint) -> float:
    beside = point.stability.min_eigenvalue_perpendicular
    inside = point.stability.min_eigenvalue_span
    return inside if beside is None else min(inside, beside)


def _is_proved(point: FixedPoint) -> bool:
    return point.certificate is not None and point.certificate.verdict != "not certified"


def _minimum(point: FixedPoint) -> SweepMinimum:
    return SweepMinimum.model_validate(
        {
            "key": point.key,
            "kind": point.kind,
            "loss": point.loss,
            "structure": point.structure.name,
            "hits": None if point.attraction is None else point.attraction.hits,
            "min_eigenvalue": point.stability.min_eigenvalue_span,
            "certified": _is_proved(point),
        }
    )
