"""Where descents by other rules than gradient flow end, and how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from relu_landscape_client import _frames
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
from relu_landscape_client._sealed import Tabular
from relu_landscape_client.parts import Attraction, Overlaps, Structure

if TYPE_CHECKING:
    import pandas as pd

#: Columns of the tables of ``Descents``.
COLUMNS: _frames.Columns = {
    "end": "text", "kind": "text", "loss": "float", "structure": "text", "anti_aligned": "int",
    "index": "int", "min_eigenvalue_span": "float", "min_eigenvalue_beside": "float",
    "hits": "int", "probability": "float", "low": "float", "high": "float", "found_by": "text",
}  # fmt: skip


@dataclass(frozen=True)
class Curvature:
    """The Riemannian Hessian at an end: ``index`` and ``nullity`` count over all input dimensions,
    smallest eigenvalues are NaN where there is no such direction."""

    index: int
    nullity: int
    min_eigenvalue_span: float
    min_eigenvalue_beside: float
    eigenvalue_tolerance: float
    gradient_norm: float

    @classmethod
    def from_document(cls, document: Document) -> Curvature:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            index=integer(required(document, "index")),
            nullity=integer(required(document, "nullity")),
            min_eigenvalue_span=_or_nan(document, "min_eigenvalue_span"),
            min_eigenvalue_beside=_or_nan(document, "min_eigenvalue_beside"),
            eigenvalue_tolerance=number(required(document, "eigenvalue_tolerance")),
            gradient_norm=number(required(document, "gradient_norm")),
        )


@dataclass(frozen=True)
class UniformFamily:
    """The closed-form family of orthonormal students: ``k`` of them are reflected together."""

    k: int
    loss: float
    deciding_eigenvalue: float
    proved: bool

    @classmethod
    def from_document(cls, document: Document) -> UniformFamily:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            k=integer(required(document, "k")),
            loss=number(required(document, "loss")),
            deciding_eigenvalue=number(required(document, "deciding_eigenvalue")),
            proved=bool(required(document, "proved")),
        )


@dataclass(frozen=True)
class DescentEnd:
    """One end of descents: ``kind`` is global, minimum, degenerate or saddle; ``curvature`` is None
    for a continuum of zero loss, ``structure`` where second layers differ or the point leaves the
    teacher's span. ``found_by``: starts, structures or both; empty without a structured search."""

    key: str
    kind: str
    loss: float
    loss_accuracy: float
    structure: Structure | None
    outside_span: int
    family: UniformFamily | None
    overlaps: Overlaps
    student_layer: tuple[float, ...]
    teacher_layer: tuple[float, ...]
    curvature: Curvature | None
    attraction: Attraction
    found_by: tuple[str, ...] = ()

    @classmethod
    def from_document(cls, document: Document) -> DescentEnd:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            loss_accuracy=number(required(document, "loss_accuracy")),
            structure=nullable(document, "structure", _structure),
            outside_span=integer(required(document, "outside_span")),
            family=nullable(document, "family", _family),
            overlaps=Overlaps.from_document(mapping(required(document, "overlaps"))),
            student_layer=each(required(document, "student_layer"), number),
            teacher_layer=each(required(document, "teacher_layer"), number),
            curvature=nullable(document, "curvature", _curvature),
            attraction=Attraction.from_document(mapping(required(document, "attraction"))),
            found_by=optional(document, "found_by", _words) or (),
        )


@dataclass(frozen=True)
class OtherEnd:
    """Descents that ended at no point: what became of them in words, and between which losses (NaN
    beyond the range of numbers)."""

    outcome: str
    attraction: Attraction
    lowest_loss: float
    highest_loss: float

    @classmethod
    def from_document(cls, document: Document) -> OtherEnd:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            outcome=str(required(document, "outcome")),
            attraction=Attraction.from_document(mapping(required(document, "attraction"))),
            lowest_loss=_or_nan(document, "lowest_loss"),
            highest_loss=_or_nan(document, "highest_loss"),
        )


@dataclass(frozen=True)
class PatternSearch:
    """What the search on the fixed points of one group covered: what moves together in words,
    dimension of what it leaves fixed, starts, points kept, and starts set aside by why."""

    pattern: str
    unknowns: int
    starts: int
    points: int
    set_aside: Mapping[str, int]

    @classmethod
    def from_document(cls, document: Document) -> PatternSearch:
        """Read; raises ``ProtocolError`` where a member is missing."""
        aside = mapping(required(document, "set_aside"))
        return cls(
            pattern=str(required(document, "pattern")),
            unknowns=integer(required(document, "unknowns")),
            starts=integer(required(document, "starts")),
            points=integer(required(document, "points")),
            set_aside={str(reason): integer(count) for reason, count in aside.items()},
        )


@dataclass(frozen=True)
class StructuredSearch:
    """What the structured search covered; ``not_searched`` patterns were left out for their
    work."""

    explanation: str
    patterns: tuple[PatternSearch, ...]
    not_searched: int

    @classmethod
    def from_document(cls, document: Document) -> StructuredSearch:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            explanation=str(required(document, "explanation")),
            patterns=each(required(document, "patterns"), PatternSearch.from_document),
            not_searched=integer(required(document, "not_searched")),
        )


@dataclass(frozen=True, eq=False)
class Descents(Tabular):
    """Ends of descents by one rule, by loss; ``reached`` has the key of the end, or the outcome in
    words, of each start; ``searched`` says what the structured search covered, None without one.
    Two answers with the same digest are the same, and compare equal."""

    _columns: ClassVar[_frames.Columns] = COLUMNS

    id: str
    digest: str
    request: Mapping[str, Any]
    step: float | None
    loss_bound: float | None
    zero_loss: Attraction
    ends: tuple[DescentEnd, ...]
    others: tuple[OtherEnd, ...]
    reached: tuple[str, ...]
    searched: StructuredSearch | None
    provenance: Mapping[str, Any]
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> Descents:
        """Read a result; raises ``ProtocolError`` where it is none."""
        return cls(
            id=str(required(document, "id")),
            digest=str(required(document, "digest")),
            request=mapping(required(document, "request")),
            step=nullable(document, "step", number),
            loss_bound=nullable(document, "loss_bound", number),
            zero_loss=Attraction.from_document(mapping(required(document, "zero_loss"))),
            ends=each(required(document, "ends"), DescentEnd.from_document),
            others=each(required(document, "others"), OtherEnd.from_document),
            reached=each(required(document, "reached"), str),
            searched=optional(document, "searched", _searched),
            provenance=mapping(required(document, "provenance")),
            document=document,
        )

    def __repr__(self) -> str:
        asked = self.request
        return (
            f"<Descents by {asked.get('rule')}, {asked.get('student_width')} students and "
            f"{asked.get('teacher_width')} teachers: {len(self.ends)} ends of "
            f"{len(self.reached)} starts, {self.zero_loss.probability:.3g} at zero loss>"
        )

    def to_dataframe(self) -> pd.DataFrame:
        """A row per end, then per other outcome, as a pandas table (the extra ``frames``)."""
        return _frames.table(self._rows(), COLUMNS)

    def _rows(self) -> list[dict[str, Any]]:
        return [_row(end) for end in self.ends] + [
            {"end": one.outcome, "loss": one.lowest_loss, **_share(one.attraction)}
            for one in self.others
        ]


def _or_nan(document: Document, name: str) -> float:
    value = nullable(document, name, number)
    return np.nan if value is None else value


def _structure(value: Any) -> Structure:
    return Structure.from_document(mapping(value))


def _words(value: Any) -> tuple[str, ...]:
    return each(value, str)


def _searched(value: Any) -> StructuredSearch:
    return StructuredSearch.from_document(mapping(value))


def _family(value: Any) -> UniformFamily:
    return UniformFamily.from_document(mapping(value))


def _curvature(value: Any) -> Curvature:
    return Curvature.from_document(mapping(value))


def _row(end: DescentEnd) -> dict[str, Any]:
    found: dict[str, Any] = {"end": end.key, "kind": end.kind, "loss": end.loss}
    if end.structure is not None:
        found |= {"structure": end.structure.name, "anti_aligned": end.structure.anti_aligned}
    if end.curvature is not None:
        found |= {
            "index": end.curvature.index,
            "min_eigenvalue_span": end.curvature.min_eigenvalue_span,
            "min_eigenvalue_beside": end.curvature.min_eigenvalue_beside,
        }
    if end.found_by:
        found["found_by"] = " ".join(end.found_by)
    return found | _share(end.attraction)


def _share(attraction: Attraction) -> dict[str, Any]:
    low, high = attraction.interval_95
    return {
        "hits": attraction.hits, "probability": attraction.probability, "low": low, "high": high,
    }  # fmt: skip
