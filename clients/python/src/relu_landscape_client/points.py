"""Fixed points: frozen, with read-only NumPy arrays.

Everything is read from the server's JSON document, which stays at hand as ``document``: what a
newer server adds is there, although these classes do not know it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, overload

from relu_landscape_client import _frames
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
from relu_landscape_client.parts import (
    Attraction,
    Details,
    Overlaps,
    Spectrum,
    Stability,
    Structure,
)
from relu_landscape_client.rated import PointRates
from relu_landscape_client.widening import Widening

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes


@dataclass(frozen=True, eq=False)
class FixedPoint:
    """One fixed point up to symmetry.

    ``R`` (student_width x teacher_width) and ``Q`` (student_width x student_width) are the
    overlaps in canonical order, ``norms`` (student_width,) the students' norms. ``kind`` is
    ``minimum``, ``saddle`` or ``global_continuum`` (then ``continuum_dimension`` is its
    dimension). ``attraction`` is None where no random starts were run or they cannot end there;
    ``widening``, what one more student does, and ``learning_rates``, what those of the request do
    to a minimum, are None unless they were asked for; ``details`` unless the point was fetched by
    itself. A ``loss`` within ``loss_accuracy``, its rounding error, of
    zero is 0.0.
    """

    key: str
    kind: str
    loss: float
    loss_accuracy: float
    is_global: bool
    found_by: tuple[str, ...]
    structure: Structure
    overlaps: Overlaps
    norms: Floats
    continuum_dimension: int | None
    stability: Stability
    attraction: Attraction | None
    widening: Widening | None
    learning_rates: PointRates | None
    certificate: Mapping[str, Any] | None
    details: Details | None = field(metadata=OURS)
    document: Document = field(repr=False, metadata=OURS)

    @classmethod
    def from_document(cls, document: Document) -> FixedPoint:
        """Read; raises ``ProtocolError`` where a member is missing."""
        return cls(
            key=str(required(document, "key")),
            kind=str(required(document, "kind")),
            loss=number(required(document, "loss")),
            loss_accuracy=number(required(document, "loss_accuracy")),
            is_global=bool(required(document, "is_global")),
            found_by=each(required(document, "found_by"), str),
            structure=Structure.from_document(required(document, "structure")),
            overlaps=Overlaps.from_document(required(document, "overlaps")),
            norms=array(required(document, "norms")),
            continuum_dimension=optional(document, "continuum_dimension", integer),
            stability=Stability.from_document(required(document, "stability")),
            attraction=nullable(document, "attraction", Attraction.from_document),
            widening=optional(document, "widening", Widening.from_document),
            learning_rates=optional(document, "learning_rates", PointRates.from_document),
            certificate=optional(document, "certificate", mapping),
            details=Details.from_document(document) if "weights" in document else None,
            document=document,
        )

    @property
    def R(self) -> Floats:
        """Overlaps of students (rows) and teachers (columns)."""
        return self.overlaps.R

    @property
    def Q(self) -> Floats:
        """Overlaps of students among themselves."""
        return self.overlaps.Q

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
        """Share of the random starts that ended here; NaN where it is unknown."""
        return math.nan if self.attraction is None else self.attraction.probability

    @property
    def is_certified(self) -> bool:
        """True where a computer-assisted proof stands behind this point."""
        verdict = (self.certificate or {}).get("verdict")
        return verdict not in (None, "not certified")

    def row(self) -> dict[str, Any]:
        """What a table says of this point, by column."""
        low, high = (None, None) if self.attraction is None else self.attraction.interval_95
        return {
            "key": self.key,
            "kind": self.kind,
            "loss": self.loss,
            "is_global": self.is_global,
            "structure": self.structure.name,
            "isotropy": self.structure.isotropy,
            "anti_aligned": self.structure.anti_aligned,
            "orbit_size": self.structure.orbit_size,
            "attractive": self.stability.attractive,
            "index": self.stability.index,
            "nullity": self.stability.nullity,
            "index_span": self.stability.index_span,
            "index_perpendicular": self.stability.index_perpendicular,
            "min_eigenvalue_span": self.stability.min_eigenvalue_span,
            "min_eigenvalue_perpendicular": self.stability.min_eigenvalue_perpendicular,
            "relaxation_time": self.stability.relaxation_time,
            "hits": self.hits,
            "probability": self.probability,
            "probability_low": low,
            "probability_high": high,
            "certified": self.is_certified,
            **self._wider(),
            **self._rated(),
            "found_by": "+".join(self.found_by),
        }

    def _wider(self) -> dict[str, Any]:
        """What a table says of one more student; empty cells where it was not asked for."""
        told = self.widening
        best = None if told is None else told.best
        end = None if best is None else best.leads_to
        return {
            "wider_gain": None if told is None else told.gain,
            "wider_guaranteed_gain": None if told is None else told.guaranteed_gain,
            "wider_saddle_lines": None if told is None else told.saddle_lines,
            "wider_end_loss": None if end is None else end.loss,
            "wider_end_structure": None if end is None else end.structure,
        }

    def _rated(self) -> dict[str, Any]:
        """What a table says of learning rates; empty cells where none was asked for."""
        told = self.learning_rates
        return {
            "rate_slope": None if told is None else told.slope,
            "critical_rate": None if told is None else told.critical_rate,
        }

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
        return f"{text}, {self.structure.name}>"


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
        return _frames.dataframe([point.row() for point in self._points])
