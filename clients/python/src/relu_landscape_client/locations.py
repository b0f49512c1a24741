"""Where given networks stand: each point, the end of its flow, and the fixed points near it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    OURS,
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    optional,
    required,
)
from relu_landscape_client._sealed import Sealed
from relu_landscape_client.descents import Curvature
from relu_landscape_client.parts import Overlaps, Spectrum
from relu_landscape_client.points import FixedPoint


@dataclass(frozen=True)
class Near:
    """A fixed point near a network: its ``key``, and an upper bound of the ``distance`` to its
    nearest relabelled copy."""

    key: str
    distance: float

    @classmethod
    def from_document(cls, document: Document) -> Near:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(str(required(document, "key")), number(required(document, "distance")))


@dataclass(frozen=True, eq=False)
class OneMore:
    """The best student to add: of this ``norm`` in the direction with these ``cosines`` with the
    teachers, it lowers the loss by exactly ``gain``; ``slope`` is D there, negative."""

    slope: float
    norm: float
    gain: float
    cosines: Floats

    @classmethod
    def from_document(cls, document: Document) -> OneMore:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            slope=number(required(document, "slope")),
            norm=number(required(document, "norm")),
            gain=number(required(document, "gain")),
            cosines=array(required(document, "cosines")),
        )


@dataclass(frozen=True, eq=False)
class LocatedWidening:
    """What one more student would do: ``one_more``, None where none lowers the loss;
    ``lower_bound`` of the slope over all directions, proved (NaN: not proved), so that no student
    gains more than its square; of each
    student the smallest eigenvalue of ``splitting`` it, in the span (NaN: there is none) and
    ``splitting_beside`` it."""

    one_more: OneMore | None
    lower_bound: float
    splitting: Floats
    splitting_beside: Floats

    @classmethod
    def from_document(cls, document: Document) -> LocatedWidening:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            nullable(document, "one_more", OneMore.from_document),
            number(required(document, "lower_bound")),
            array(required(document, "splitting")),
            array(required(document, "splitting_beside")),
        )


@dataclass(frozen=True, eq=False)
class LocatedPoint:
    """Where one network stands; units count from 0, as they were given.

    ``matched_teacher`` has the teacher of each student, None where none is left, with their
    ``cosines`` (NaN there). ``end`` is the key of the fixed point where gradient flow from exactly
    here ends, ``outcome`` says in a sentence what becomes of it, ``flow_time`` the time of
    the flow until it is seen to go there (NaN: not known). ``distance`` is that of all weights
    from there, ``distance_in_errors`` the same over the statistical error of the sample
    size; NaN where there is none. ``students`` and ``teachers`` say which unit here stands at each
    place of the end's canonical order. ``proved``: None where no proof was asked for.
    """

    key: str
    loss: float
    gradient_norm: float
    norms: Floats
    matched_teacher: tuple[int | None, ...]
    cosines: Floats
    unmatched_teachers: tuple[int, ...]
    index: int | None
    nullity: int | None
    min_eigenvalue: float
    spectrum: Spectrum | None
    outcome: str | None
    end: str | None
    flow_time: float
    loss_to_lose: float
    distance: float
    distance_in_errors: float
    students: tuple[int, ...] | None
    teachers: tuple[int, ...] | None
    nearest: tuple[Near, ...] | None
    widening: LocatedWidening | None
    proved: bool | None

    @classmethod
    def from_document(cls, document: Document) -> LocatedPoint:
        """Read; raises ``ProtocolError`` where a member is missing."""
        floats = {
            name: number(required(document, name))
            for name in (
                "loss", "gradient_norm", "min_eigenvalue", "flow_time", "loss_to_lose", "distance",
                "distance_in_errors",
            )
        }  # fmt: skip
        whole = {name: nullable(document, name, integer) for name in ("index", "nullity")}
        places = {
            name: nullable(document, name, lambda units: each(units, integer))
            for name in ("students", "teachers")
        }
        members: dict[str, Any] = {**floats, **whole, **places}
        return cls(
            key=str(required(document, "key")),
            norms=array(required(document, "norms")),
            matched_teacher=each(
                required(document, "matched_teacher"),
                lambda unit: None if unit is None else integer(unit),
            ),
            cosines=array(required(document, "cosines")),
            unmatched_teachers=each(required(document, "unmatched_teachers"), integer),
            spectrum=nullable(document, "spectrum", Spectrum.from_document),
            outcome=nullable(document, "outcome", str),
            end=nullable(document, "end", str),
            nearest=nullable(document, "nearest", lambda near: each(near, Near.from_document)),
            widening=nullable(document, "widening", LocatedWidening.from_document),
            proved=nullable(document, "proved", bool),
            **members,
        )

    def __repr__(self) -> str:
        where = f"to {self.end}, {self.distance:.3g} away" if self.end else self.outcome
        return f"<LocatedPoint {self.key}: loss {self.loss:.6g}; {where or 'not followed'}>"


@dataclass(frozen=True)
class StatisticalError:
    """How far finite samples keep from a minimum: expected ``distance`` of all weights,
    ``excess_loss``, and the ``relative_accuracy`` of what was sampled."""

    distance: float
    excess_loss: float
    relative_accuracy: float

    @classmethod
    def from_document(cls, document: Document) -> StatisticalError:
        """Read; raises ``ProtocolError`` where a member is missing."""
        names = ("distance", "excess_loss", "relative_accuracy")
        return cls(*(number(required(document, name)) for name in names))


@dataclass(frozen=True, eq=False)
class LocatedEnd(FixedPoint):
    """A fixed point that is the end of ``points`` given networks, or near one; its key is of this
    answer. ``statistical_error``: None without a sample size, and at what is no strict minimum."""

    points: int
    statistical_error: StatisticalError | None

    @classmethod
    def from_document(cls, document: Document) -> LocatedEnd:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            **vars(FixedPoint.from_document(document)),
            points=integer(required(document, "points")),
            statistical_error=nullable(
                document, "statistical_error", StatisticalError.from_document
            ),
        )


@dataclass(frozen=True, eq=False)
class SignedEnd:
    """Where ``points`` given networks with second layers of both signs end, of which the first
    layer is trained: ``kind`` is global, minimum, degenerate or saddle. Sizes of second layers are
    in ``overlaps`` and ``norms``; units stand in the order of the first point that ends here, with
    these signs. ``curvature`` is None for a continuum of zero loss, ``relaxation_time`` where an
    eigenvalue is not positive."""

    key: str
    kind: str
    loss: float
    loss_accuracy: float
    outside_span: int
    overlaps: Overlaps
    norms: Floats
    student_signs: tuple[int, ...]
    teacher_signs: tuple[int, ...]
    curvature: Curvature | None
    relaxation_time: float | None
    points: int
    statistical_error: StatisticalError | None

    @classmethod
    def from_document(cls, document: Document) -> SignedEnd:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            loss_accuracy=number(required(document, "loss_accuracy")),
            outside_span=integer(required(document, "outside_span")),
            overlaps=Overlaps.from_document(mapping(required(document, "overlaps"))),
            norms=array(required(document, "norms")),
            student_signs=each(required(document, "student_signs"), integer),
            teacher_signs=each(required(document, "teacher_signs"), integer),
            curvature=nullable(document, "curvature", Curvature.from_document),
            relaxation_time=nullable(document, "relaxation_time", number),
            points=integer(required(document, "points")),
            statistical_error=nullable(
                document, "statistical_error", StatisticalError.from_document
            ),
        )


@dataclass(frozen=True, eq=False)
class Points(Sealed):
    """Located networks: the ``points`` in the order given, and the ``fixed_points`` that have to do
    with them; ``signed_ends`` in their place where second layers have both signs, else None.
    Columns over all points are ``losses``, ``distances`` and ``ends``.

    Two answers with the same digest are the same, and compare equal.
    """

    id: str
    digest: str
    request: Mapping[str, Any]
    points: tuple[LocatedPoint, ...]
    fixed_points: tuple[LocatedEnd, ...]
    signed_ends: tuple[SignedEnd, ...] | None
    searched: tuple[Mapping[str, Any], ...]
    explanation: str
    provenance: Mapping[str, Any]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Points:
        """Read a result; raises ``ProtocolError`` where it is none."""
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            points=each(required(document, "points"), LocatedPoint.from_document),
            fixed_points=each(required(document, "fixed_points"), LocatedEnd.from_document),
            signed_ends=optional(
                document, "signed_ends", lambda ends: each(ends, SignedEnd.from_document)
            ),
            searched=each(required(document, "searched"), mapping),
            explanation=str(required(document, "explanation")),
            provenance=mapping(required(document, "provenance")),
            document=document,
        )

    @property
    def losses(self) -> Floats:
        """Loss at each point."""
        return array([point.loss for point in self.points])

    @property
    def distances(self) -> Floats:
        """Distance of each point from its end; NaN where there is none."""
        return array([point.distance for point in self.points])

    @property
    def ends(self) -> NDArray[np.str_]:
        """Key of each point's end; empty where there is none."""
        return np.array([point.end or "" for point in self.points], dtype=np.str_)

    def fixed_point(self, key: str) -> LocatedEnd:
        """The fixed point of this key. Raises ``KeyError``."""
        for one in self.fixed_points:
            if one.key == key:
                return one
        raise KeyError(key)

    def signed_end(self, key: str) -> SignedEnd:
        """The end of this key, where second layers have both signs. Raises ``KeyError``."""
        for one in self.signed_ends or ():
            if one.key == key:
                return one
        raise KeyError(key)

    def __repr__(self) -> str:
        if len(self.points) == 1:
            return repr(self.points[0]).replace("LocatedPoint p1", "Points")
        found = sum(point.end is not None for point in self.points)
        return f"<Points: {len(self.points)} networks, {found} of them with an end>"
