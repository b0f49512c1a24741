"""Lines of saddles: critical points that are not isolated, and the narrower point of each."""

from __future__ import annotations

from dataclasses import dataclass

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    Document,
    each,
    integer,
    nullable,
    number,
    required,
)
from relu_landscape_client.parts import Overlaps, Structure


@dataclass(frozen=True, eq=False)
class Origin:
    """The fixed point of a student of width ``student_width`` from which a line of saddles comes.

    ``attractive``: whether it is a minimum of that landscape, ``index`` its negative eigenvalues;
    ``overlaps`` and ``norms`` (student_width,) in canonical order.
    """

    student_width: int
    attractive: bool
    index: int
    structure: Structure
    overlaps: Overlaps
    norms: Floats

    @classmethod
    def from_document(cls, document: Document) -> Origin:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            student_width=integer(required(document, "student_width")),
            attractive=bool(required(document, "attractive")),
            index=integer(required(document, "index")),
            structure=Structure.from_document(required(document, "structure")),
            overlaps=Overlaps.from_document(required(document, "overlaps")),
            norms=array(required(document, "norms")),
        )


@dataclass(frozen=True, eq=False)
class SaddleLine:
    """Students of a narrower point, its ``origin``, split in parallel ``parts``, in any proportion.

    ``dimension`` students more than the origin has. Loss and ``index`` (negative eigenvalues, of
    which ``index_span`` in the teacher's span and ``index_perpendicular`` in each perpendicular
    dimension) are the same at every point with no part zero. The smallest second derivatives of
    separating parts mu and 1 - mu are ``splitting_eigenvalue_span`` and ``..._perpendicular`` (None
    if d = M) over mu (1 - mu).
    """

    key: str
    loss: float
    loss_accuracy: float
    dimension: int
    found_by: tuple[str, ...]
    origin: Origin
    parts: tuple[int, ...]
    index: int
    index_span: int
    index_perpendicular: int
    splitting_eigenvalue_span: float
    splitting_eigenvalue_perpendicular: float | None
    eigenvalue_tolerance: float

    @classmethod
    def from_document(cls, document: Document) -> SaddleLine:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            loss=number(required(document, "loss")),
            loss_accuracy=number(required(document, "loss_accuracy")),
            dimension=integer(required(document, "dimension")),
            found_by=each(required(document, "found_by"), str),
            origin=Origin.from_document(required(document, "origin")),
            parts=each(required(document, "parts"), integer),
            index=integer(required(document, "index")),
            index_span=integer(required(document, "index_span")),
            index_perpendicular=integer(required(document, "index_perpendicular")),
            splitting_eigenvalue_span=number(required(document, "splitting_eigenvalue_span")),
            splitting_eigenvalue_perpendicular=nullable(
                document, "splitting_eigenvalue_perpendicular", number
            ),
            eigenvalue_tolerance=number(required(document, "eigenvalue_tolerance")),
        )
