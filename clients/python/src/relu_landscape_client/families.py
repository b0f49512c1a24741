"""Symmetric families: one point at any width, and a family along real width."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
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
from relu_landscape_client.parts import SpectralSummary, Spectrum


@dataclass(frozen=True, eq=False)
class FamilyStability(SpectralSummary):
    """Stability in any input dimension; ``nullity_span`` counts the eigenvalues in the teacher's
    span that vanish."""

    nullity_span: int

    @classmethod
    def from_document(cls, document: Document) -> FamilyStability:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(**cls.read(document), nullity_span=integer(required(document, "nullity_span")))


@dataclass(frozen=True, eq=False)
class Family:
    """One critical point of a symmetric family.

    ``family`` is what was asked for, ``structure`` what that is at these widths. ``branches``
    lists the structure's critical points by loss, as ``{branch, loss, kind, ...}``, and ``branch``
    is the number of this one; a well-known family is a single branch, and has neither. Overlaps
    come by blocks: ``overlaps["R"][student block][teacher block]`` is ``{same, other}``.
    ``unknowns`` and ``point`` are the point in reduced coordinates. ``certificate`` is there where
    it was asked for. ``leak`` is the slope below zero of the units, 0 for ReLU. A ``loss`` within
    ``loss_accuracy``, its rounding error, of zero is 0.0. Everything the server told
    is in ``document``.
    """

    family: str
    structure: str
    student_width: int
    teacher_width: int
    kind: str
    loss: float
    loss_accuracy: float
    is_global: bool
    anti_aligned: int
    teacher_blocks: tuple[Mapping[str, Any], ...]
    student_blocks: tuple[Mapping[str, Any], ...]
    unknowns: Floats
    overlaps: Mapping[str, Any]
    stability: FamilyStability
    spectrum: Spectrum
    point: Mapping[str, Any]
    branch: int | None
    branches: tuple[Mapping[str, Any], ...]
    certificate: Mapping[str, Any] | None
    leak: float
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Family:
        """Read an answer of ``GET /v1/families``; raises ``ProtocolError`` where it is none."""
        return cls(
            family=str(required(document, "family")),
            structure=str(required(document, "structure")),
            student_width=integer(required(document, "student_width")),
            teacher_width=integer(required(document, "teacher_width")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            loss_accuracy=number(required(document, "loss_accuracy")),
            is_global=bool(required(document, "is_global")),
            anti_aligned=integer(required(document, "anti_aligned")),
            teacher_blocks=each(required(document, "teacher_blocks"), mapping),
            student_blocks=each(required(document, "student_blocks"), mapping),
            unknowns=array(required(document, "unknowns")),
            overlaps=mapping(required(document, "overlaps")),
            stability=FamilyStability.from_document(required(document, "stability")),
            spectrum=Spectrum.from_document(required(document, "spectrum")),
            point=mapping(required(document, "point")),
            branch=nullable(document, "branch", integer),
            branches=each(required(document, "branches"), mapping),
            certificate=optional(document, "certificate", mapping),
            leak=optional(document, "leak", number) or 0.0,
            document=document,
        )


@dataclass(frozen=True)
class Change:
    """A width at which an eigenvalue crosses zero.

    ``component`` and ``space`` say which eigenvalue, ``eigenvalue`` what is left of it there;
    ``stable_below`` and ``stable_above`` speak of the family as a whole, on this ``sheet``.
    """

    width: float
    component: str
    space: str
    eigenvalue: float
    stable_below: bool
    stable_above: bool
    sheet: int

    @classmethod
    def from_document(cls, document: Document) -> Change:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            width=number(required(document, "width")),
            component=str(required(document, "component")),
            space=str(required(document, "space")),
            eigenvalue=number(required(document, "eigenvalue")),
            stable_below=bool(required(document, "stable_below")),
            stable_above=bool(required(document, "stable_above")),
            sheet=integer(required(document, "sheet")),
        )


@dataclass(frozen=True)
class Event:
    """A point at which a branch folds back (``kind`` ``fold``) or meets another (``branch_point``).

    ``component`` and ``space`` say whose eigenvalue is zero there; ``trivial`` in the span is that
    of the family's own symmetry. ``sheet`` is the one on which the branch arrives.
    """

    kind: str
    width: float
    loss: float
    component: str
    space: str
    sheet: int

    @classmethod
    def from_document(cls, document: Document) -> Event:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            kind=str(required(document, "kind")),
            width=number(required(document, "width")),
            loss=number(required(document, "loss")),
            component=str(required(document, "component")),
            space=str(required(document, "space")),
            sheet=integer(required(document, "sheet")),
        )


@dataclass(frozen=True, eq=False)
class Continuation:
    """A family along real teacher width; everything the server told is in ``document``.

    ``points`` are ``{width, loss, is_stable, smallest, sheet}``, in the order of the branch;
    ``widths``, ``losses``, ``is_stable`` and ``sheets`` are the same as arrays, and so is each
    array of ``smallest``, the smallest eigenvalue by component (NaN where a component does not
    exist). The sheet is 1 up to the first fold and one more after each. ``events`` are the folds,
    and the points where another branch meets this one. ``ends`` is None, or says at which width
    the branch stops before the last one, and why. ``leak`` is the slope below zero of the units.
    """

    family: str
    structure: str
    points: tuple[Mapping[str, Any], ...]
    changes: tuple[Change, ...]
    events: tuple[Event, ...]
    ends: Mapping[str, Any] | None
    leak: float
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Continuation:
        """Read an answer of ``GET /v1/families/continuation``; raises ``ProtocolError``."""
        found = cls(
            family=str(required(document, "family")),
            structure=str(required(document, "structure")),
            points=each(required(document, "points"), mapping),
            changes=each(required(document, "changes"), Change.from_document),
            events=each(required(document, "events"), Event.from_document),
            ends=nullable(document, "ends", mapping),
            leak=optional(document, "leak", number) or 0.0,
            document=document,
        )
        _ = found.widths, found.losses, found.is_stable, found.smallest, found.sheets  # now
        return found

    @cached_property
    def widths(self) -> Floats:
        """The width of each point."""
        return self._column("width")

    @cached_property
    def losses(self) -> Floats:
        """The loss of each point."""
        return self._column("loss")

    @cached_property
    def is_stable(self) -> NDArray[np.bool_]:
        """Whether each point attracts gradient flow."""
        stable = np.array([bool(required(one, "is_stable")) for one in self.points], np.bool_)
        stable.flags.writeable = False
        return stable

    @cached_property
    def sheets(self) -> NDArray[np.int64]:
        """The sheet of each point."""
        found = np.array([integer(required(one, "sheet")) for one in self.points], np.int64)
        found.flags.writeable = False
        return found

    @cached_property
    def smallest(self) -> Mapping[str, Floats]:
        """The smallest eigenvalue of each point, by component."""
        at = [mapping(required(point, "smallest")) for point in self.points]
        names = dict.fromkeys(name for smallest in at for name in smallest)
        return {name: array([number(smallest.get(name)) for smallest in at]) for name in names}

    def _column(self, name: str) -> Floats:
        return array([number(required(point, name)) for point in self.points])
