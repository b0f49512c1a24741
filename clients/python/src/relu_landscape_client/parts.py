"""What a fixed point consists of: frozen, with read-only NumPy arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    Document,
    each,
    integer,
    mapping,
    nullable,
    number,
    optional,
    pair,
    required,
)

#: ``Spectrum.expanded`` refuses to write out more eigenvalues than this (80 MB).
LARGEST_EXPANSION = 10_000_000


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The Hessian's eigenvalues with exact multiplicities, ascending within each space.

    ``eigenvalues`` has shape (n,); ``multiplicities`` are exact Python integers; ``spaces`` says
    for each whether it belongs to the teacher's span (``span``) or to the directions
    perpendicular to it (``perpendicular``).
    """

    eigenvalues: Floats
    multiplicities: tuple[int, ...]
    spaces: tuple[str, ...]

    @classmethod
    def from_document(cls, lines: Sequence[Document]) -> Spectrum:
        """Read a list of ``{eigenvalue, multiplicity, space}``."""
        return cls(
            array(each(lines, lambda line: number(required(line, "eigenvalue")))),
            each(lines, lambda line: integer(required(line, "multiplicity"))),
            each(lines, lambda line: str(required(line, "space"))),
        )

    def __len__(self) -> int:
        return len(self.multiplicities)

    def expanded(self, space: str = "span") -> Floats:
        """All eigenvalues of one space, ascending, each as often as it occurs.

        Raises:
            ValueError: there are more than ten million of them.
        """
        chosen = [i for i, name in enumerate(self.spaces) if name == space]
        counts = [self.multiplicities[i] for i in chosen]
        if sum(counts) > LARGEST_EXPANSION:
            raise ValueError(
                f"{sum(counts)} eigenvalues are too many to write out: use eigenvalues and "
                "multiplicities"
            )
        return np.sort(np.repeat(self.eigenvalues[chosen], counts))


@dataclass(frozen=True)
class Structure:
    """Block structure of a point up to permutations of students and teachers."""

    name: str
    blocks: tuple[int, ...]
    extra_students: int
    isotropy: str
    orbit_size: int
    anti_aligned: int
    students: tuple[Mapping[str, Any], ...] = field(hash=False)

    @classmethod
    def from_document(cls, document: Document) -> Structure:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            name=str(required(document, "name")),
            blocks=each(required(document, "blocks"), integer),
            extra_students=integer(required(document, "extra_students")),
            isotropy=str(required(document, "isotropy")),
            orbit_size=integer(required(document, "orbit_size")),
            anti_aligned=integer(required(document, "anti_aligned")),
            students=each(required(document, "students"), mapping),
        )


@dataclass(frozen=True, eq=False)
class Overlaps:
    """``R``: students and teachers; ``Q``: students among themselves; in canonical order."""

    R: Floats
    Q: Floats

    @classmethod
    def from_document(cls, document: Document) -> Overlaps:
        """Read; raises ``ProtocolError`` where rows are ragged."""
        return cls(R=array(required(document, "R")), Q=array(required(document, "Q")))


@dataclass(frozen=True, eq=False)
class SpectralSummary:
    """What the whole Hessian says about a point.

    The Hessian is one block in the teacher's span and a second, smaller one that is repeated for
    each perpendicular dimension: ``index_span`` and ``index_perpendicular`` count the negative
    eigenvalues of each, ``min_eigenvalue_span`` and ``min_eigenvalue_perpendicular`` are the
    smallest ones (the last is None if d = M). ``relaxation_time`` is that of the slowest mode of
    gradient flow, None where an eigenvalue is zero or negative.
    """

    attractive: bool
    index_span: int
    index_perpendicular: int
    min_eigenvalue_span: float
    min_eigenvalue_perpendicular: float | None
    eigenvalue_tolerance: float
    gradient_norm: float
    relaxation_time: float | None

    @staticmethod
    def read(document: Document) -> dict[str, Any]:
        """The values of these fields; raises ``ProtocolError`` where a member is missing."""
        return {
            "attractive": bool(required(document, "attractive")),
            "index_span": integer(required(document, "index_span")),
            "index_perpendicular": integer(required(document, "index_perpendicular")),
            "min_eigenvalue_span": number(required(document, "min_eigenvalue_span")),
            "min_eigenvalue_perpendicular": nullable(
                document, "min_eigenvalue_perpendicular", number
            ),
            "eigenvalue_tolerance": number(required(document, "eigenvalue_tolerance")),
            "gradient_norm": number(required(document, "gradient_norm")),
            "relaxation_time": nullable(document, "relaxation_time", number),
        }


@dataclass(frozen=True, eq=False)
class Stability(SpectralSummary):
    """Stability in input dimension d: ``index`` and ``nullity`` count the whole Hessian's
    negative and vanishing eigenvalues."""

    index: int
    nullity: int
    spectrum: Spectrum

    @classmethod
    def from_document(cls, document: Document) -> Stability:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            **cls.read(document),
            index=integer(required(document, "index")),
            nullity=integer(required(document, "nullity")),
            spectrum=Spectrum.from_document(required(document, "spectrum")),
        )


@dataclass(frozen=True)
class Attraction:
    """How often gradient flow from random starts ended here, with Wilson's 95% interval.

    ``attributed`` counts the hits inside the proven attribution radius; None without proofs.
    """

    hits: int
    probability: float
    interval_95: tuple[float, float]
    attributed: int | None

    @classmethod
    def from_document(cls, document: Document) -> Attraction:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            hits=integer(required(document, "hits")),
            probability=number(required(document, "probability")),
            interval_95=pair(required(document, "interval_95"), number),
            attributed=optional(document, "attributed", integer),
        )


@dataclass(frozen=True, eq=False)
class Details:
    """What is too long for the overview; comes with ``Client.fixed_point``.

    ``weights`` (student_width x p) and ``teacher`` (teacher_width x p) are the units in p
    coordinates of the teacher's span; ``eigenvalues_span`` and ``eigenvalues_perpendicular`` are
    all eigenvalues of the Hessian's two blocks, ascending; the second block occurs
    ``perpendicular_copies`` times.
    """

    weights: Floats
    teacher: Floats
    eigenvalues_span: Floats
    eigenvalues_perpendicular: Floats
    perpendicular_copies: int

    @classmethod
    def from_document(cls, document: Document) -> Details:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            weights=array(required(document, "weights")),
            teacher=array(required(document, "teacher")),
            eigenvalues_span=array(required(document, "eigenvalues_span")),
            eigenvalues_perpendicular=array(required(document, "eigenvalues_perpendicular")),
            perpendicular_copies=integer(required(document, "perpendicular_copies")),
        )
