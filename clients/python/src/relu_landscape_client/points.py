"""Fixed points: frozen, with read-only NumPy arrays.

Everything is read from the server's JSON document, which stays at hand as ``document``: what a
newer server adds is there, although these classes do not know it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from relu_landscape_client import _frames
from relu_landscape_client._arrays import Floats, array
from relu_landscape_client._decode import (
    Document,
    integer,
    number,
    optional_number,
    required,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

#: ``Spectrum.expanded`` refuses to write out more eigenvalues than this (80 MB).
LARGEST_EXPANSION = 10_000_000


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The Hessian's eigenvalues with exact multiplicities, ascending within each space.

    ``eigenvalues`` has shape (n,); ``multiplicities`` are exact Python integers; ``spaces`` says
    for each whether it belongs to the teacher's span (``plane``) or to the directions
    perpendicular to it (``perpendicular``).
    """

    eigenvalues: Floats
    multiplicities: tuple[int, ...]
    spaces: tuple[str, ...]

    @classmethod
    def from_document(cls, lines: Sequence[Document]) -> Spectrum:
        """Read a list of ``{eigenvalue, multiplicity, space}``."""
        return cls(
            array([number(line.get("eigenvalue")) for line in lines]),
            tuple(integer(line.get("multiplicity", 1)) for line in lines),
            tuple(str(line.get("space", "plane")) for line in lines),
        )

    def __len__(self) -> int:
        return len(self.multiplicities)

    def expanded(self, space: str = "plane") -> Floats:
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
    orbit_size: int | None
    anti_aligned: int
    students: tuple[Mapping[str, Any], ...] = field(default=(), hash=False)

    @classmethod
    def from_document(cls, document: Document) -> Structure:
        """Read; missing fields are empty."""
        orbit = document.get("orbit_size")
        return cls(
            name=str(document.get("name", "")),
            blocks=tuple(integer(size) for size in document.get("blocks") or ()),
            extra_students=integer(document.get("extra_students") or 0),
            isotropy=str(document.get("isotropy", "")),
            orbit_size=None if orbit is None else integer(orbit),
            anti_aligned=integer(document.get("anti_aligned") or 0),
            students=tuple(document.get("students") or ()),
        )


@dataclass(frozen=True, eq=False)
class Stability:
    """Stability in summary-statistics space. ``min_eigenvalue_perpendicular`` is None if d = M."""

    attractive: bool
    index: int
    nullity: int
    min_eigenvalue: float
    min_eigenvalue_perpendicular: float | None
    eigenvalue_tolerance: float
    gradient_norm: float
    slowest_time: float | None
    spectrum: Spectrum

    @classmethod
    def from_document(cls, document: Document) -> Stability:
        """Read; missing numbers are NaN."""
        return cls(
            attractive=bool(document.get("attractive", False)),
            index=integer(document.get("index") or 0),
            nullity=integer(document.get("nullity") or 0),
            min_eigenvalue=number(document.get("min_eigenvalue")),
            min_eigenvalue_perpendicular=optional_number(
                document.get("min_eigenvalue_perpendicular")
            ),
            eigenvalue_tolerance=number(document.get("eigenvalue_tolerance")),
            gradient_norm=number(document.get("gradient_norm")),
            slowest_time=optional_number(document.get("slowest_time")),
            spectrum=Spectrum.from_document(document.get("spectrum") or ()),
        )


@dataclass(frozen=True)
class Attraction:
    """How often gradient flow from random starts ended here, with Wilson's 95% interval."""

    hits: int
    probability: float
    interval_95: tuple[float, float]
    attributed: int | None = None

    @classmethod
    def from_document(cls, document: Document) -> Attraction:
        """Read; missing numbers are NaN."""
        low, high = (document.get("interval_95") or (None, None))[:2]
        attributed = document.get("attributed")
        return cls(
            hits=integer(document.get("hits") or 0),
            probability=number(document.get("probability")),
            interval_95=(number(low), number(high)),
            attributed=None if attributed is None else integer(attributed),
        )


@dataclass(frozen=True, eq=False)
class Details:
    """What is too long for the overview; comes with ``Client.fixed_point``.

    ``weights`` (student_width x p) and ``teacher`` (teacher_width x p) are the units in p
    coordinates of the teacher's span; ``eigenvalues_plane`` and ``eigenvalues_perpendicular`` are
    all eigenvalues of the Hessian's two blocks, ascending; the second block occurs
    ``perpendicular_copies`` times.
    """

    weights: Floats
    teacher: Floats
    eigenvalues_plane: Floats
    eigenvalues_perpendicular: Floats
    perpendicular_copies: int

    @classmethod
    def from_document(cls, document: Document) -> Details:
        """Read; what is missing is empty."""
        return cls(
            weights=array(document.get("weights")),
            teacher=array(document.get("teacher")),
            eigenvalues_plane=array(document.get("eigenvalues_plane")),
            eigenvalues_perpendicular=array(document.get("eigenvalues_perpendicular")),
            perpendicular_copies=integer(document.get("perpendicular_copies") or 0),
        )


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """One fixed point up to symmetry.

    ``R`` (student_width x teacher_width) and ``Q`` (student_width x student_width) are the
    overlaps in canonical order, ``norms`` (student_width,) the students' norms. ``kind`` is
    ``minimum``, ``saddle`` or ``global_continuum`` (then ``continuum_dimension`` is its
    dimension). ``attraction`` is None where no random starts were run or they cannot end there;
    ``details`` is None unless the point was fetched by itself.
    """

    key: str
    kind: str
    loss: float
    is_global: bool
    found_by: tuple[str, ...]
    structure: Structure
    R: Floats
    Q: Floats
    norms: Floats
    continuum_dimension: int | None
    stability: Stability
    attraction: Attraction | None
    certificate: Mapping[str, Any] | None
    details: Details | None
    document: Document = field(repr=False)

    @classmethod
    def from_document(cls, document: Document) -> FixedPoint:
        """Read; raises ``ProtocolError`` without key, kind and loss."""
        overlaps = document.get("overlaps") or {}
        attraction = document.get("attraction")
        dimension = document.get("continuum_dimension")
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            is_global=bool(document.get("is_global", False)),
            found_by=tuple(document.get("found_by") or ()),
            structure=Structure.from_document(document.get("structure") or {}),
            R=array(overlaps.get("R")),
            Q=array(overlaps.get("Q")),
            norms=array(document.get("norms")),
            continuum_dimension=None if dimension is None else integer(dimension),
            stability=Stability.from_document(document.get("stability") or {}),
            attraction=None if attraction is None else Attraction.from_document(attraction),
            certificate=document.get("certificate"),
            details=Details.from_document(document) if "weights" in document else None,
            document=document,
        )

    @property
    def spectrum(self) -> Spectrum:
        """The Hessian's spectrum."""
        return self.stability.spectrum

    @property
    def hits(self) -> int:
        """Random starts that ended here."""
        return 0 if self.attraction is None else self.attraction.hits

    @property
    def probability(self) -> float:
        """Share of the converged random starts that ended here; NaN where it is unknown."""
        return math.nan if self.attraction is None else self.attraction.probability

    @property
    def is_certified(self) -> bool:
        """True where a computer-assisted proof stands behind this point."""
        verdict = (self.certificate or {}).get("verdict")
        return verdict not in (None, "not certified")

    def plot_spectrum(self, ax: Axes | None = None) -> Axes:
        """Eigenvalues against their multiplicities; see ``Landscape.plot_spectrum``."""
        from relu_landscape_client import plots

        return plots.spectrum(self, ax)

    def plot_overlaps(self, axes: Sequence[Axes] | None = None) -> tuple[Axes, Axes]:
        """``R`` and ``Q`` as heat maps; see ``Landscape.plot_overlaps``."""
        from relu_landscape_client import plots

        return plots.overlaps(self, axes)

    def __repr__(self) -> str:
        text = f"<{self.key}: {self.kind.replace('_', ' ')}, loss {self.loss:.10g}"
        if self.attraction is not None:
            text += f", probability {self.probability:.4g}"
        return f"{text}, {self.structure.name or 'structure unknown'}>"


class FixedPoints(Sequence[FixedPoint]):
    """Some fixed points of a landscape, in its order; by position or by key (``points["m1"]``)."""

    def __init__(self, points: Sequence[FixedPoint]) -> None:
        self._points = tuple(points)

    @overload
    def __getitem__(self, which: int | str) -> FixedPoint: ...
    @overload
    def __getitem__(self, which: slice) -> FixedPoints: ...
    def __getitem__(self, which: int | str | slice) -> FixedPoint | FixedPoints:
        if isinstance(which, slice):
            return FixedPoints(self._points[which])
        if isinstance(which, str):
            for point in self._points:
                if point.key == which:
                    return point
            raise KeyError(f"no fixed point {which!r} among {[p.key for p in self._points]}")
        return self._points[which]

    def __len__(self) -> int:
        return len(self._points)

    def __iter__(self) -> Iterator[FixedPoint]:
        return iter(self._points)

    def __repr__(self) -> str:
        return "\n".join(map(repr, self._points)) or "<no fixed points>"

    def to_dataframe(self) -> pd.DataFrame:
        """A table with a row per fixed point, indexed by key (needs pandas)."""
        return _frames.dataframe(self._points)
